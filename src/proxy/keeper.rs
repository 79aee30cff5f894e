//! Keeps the routes as the file and DNS have them: a changed file is taken, a broken one is not.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::SIGHUP;

use crate::kernel::shutdown::Stop;
use crate::proxy::build_routes::{ResolvedNames, names, routes};
use crate::proxy::members::clock;
use crate::proxy::world::ProxyState;
use crate::settings::proxy::config::ProxyConfig;
use crate::settings::proxy::file;
use crate::sorting::sort_by;
use crate::sync::{lock, spawn_scoped};

/// How often the file is looked at.
const LOOK: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// How often names are asked for.
const RESOLVE: Duration = Duration::from_secs(5);
/// How many names are asked for at a time.
const LOOK_UPS: usize = 32;
/// What asking for a name takes of the stack, and more.
const STACK_BYTES: usize = 128 * 1024;

/// Keeps the routes.
pub(super) struct Keeper {
    path: PathBuf,
    state: Arc<ProxyState>,
    config: ProxyConfig,
    names: ResolvedNames,
    /// What is wrong with names, as it was told.
    troubles: HashMap<String, String>,
    /// The file as it was read last.
    stamp: Option<FileStamp>,
    resolved: Instant,
    /// Readable after SIGHUP.
    hangups: UnixStream,
}

/// What is another when a file has changed: also where a link to its folder was turned, as those of a ConfigMap are.
#[derive(PartialEq, Eq)]
struct FileStamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl FileStamp {
    fn of(path: &PathBuf) -> Option<Self> {
        let data = fs::metadata(path).ok()?;
        let changed = (data.mtime(), data.mtime_nsec());
        Some(Self { device: data.dev(), inode: data.ino(), size: data.size(), changed })
    }
}

impl Keeper {
    /// Takes over a configuration that was read from this file, and puts its routes in place.
    pub(super) fn begin(path: PathBuf, config: ProxyConfig, state: Arc<ProxyState>) -> io::Result<Self> {
        let (hangups, told) = UnixStream::pair()?;
        hangups.set_nonblocking(true)?;
        told.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGHUP, told)?;
        let stamp = FileStamp::of(&path);
        let (names, troubles, resolved) = (HashMap::new(), HashMap::new(), Instant::now());
        let mut keeper = Self { path, state, config, names, troubles, stamp, resolved, hangups };
        keeper.resolve();
        let first = routes(&keeper.config, &keeper.names, None, clock(Instant::now()));
        keeper.state.route(first);
        keeper.limit_clients();
        keeper.state.metrics.configured(true);
        Ok(keeper)
    }

    fn limit_clients(&self) {
        let ProxyConfig { max_connections, max_connections_per_client, .. } = self.config;
        self.state.clients.limit(max_connections, max_connections_per_client);
    }

    /// Looks after the file and the names until the stop signal.
    pub(super) fn run(mut self, stop: &Stop) {
        while !stop.is_set() {
            let bell = stop.bell();
            let mut watched = [PollFd::new(&self.hangups, PollFlags::IN), PollFd::new(&bell, PollFlags::IN)];
            // Where it cannot wait it has looked.
            let _ = poll(&mut watched, Some(&LOOK));
            let is_told = watched[0].revents().contains(PollFlags::IN);
            let mut bytes = [0; 64];
            while is_told && io::Read::read(&mut &self.hangups, &mut bytes).is_ok_and(|count| count > 0) {}
            let stamp = FileStamp::of(&self.path);
            // A file that is gone for the moment in which it is replaced is no change.
            if is_told || stamp.is_some() && stamp != self.stamp {
                self.stamp = stamp;
                self.reload();
            } else if self.resolved.elapsed() >= RESOLVE && self.resolve() {
                self.put_in_place();
            }
        }
    }

    fn reload(&mut self) {
        match file::load(&self.path) {
            Ok((config, warnings)) => {
                warnings.iter().for_each(|warning| log::warn!("{warning}"));
                if config.listen != self.config.listen {
                    log::warn!("{} is listened on only after a restart", config.listen);
                }
                if config.access_log != self.config.access_log {
                    log::warn!("the access log is another only after a restart");
                }
                self.config = config;
                self.resolve();
                self.put_in_place();
                self.limit_clients();
                self.state.metrics.configured(true);
                log::info!("configuration file read again: {}: {}", self.path.display(), self.config.summary());
            }
            Err(faults) => {
                self.state.metrics.configured(false);
                faults.iter().for_each(|fault| log::error!("{fault}"));
                log::error!("the configuration stays as it was: {} is not taken", self.path.display());
            }
        }
    }

    fn put_in_place(&self) {
        let before = self.state.routes();
        let now = clock(Instant::now());
        self.state.route(routes(&self.config, &self.names, Some(&before), now));
    }

    /// Asks for all names; says whether anything has changed. A name that is not known for the moment keeps its addresses.
    fn resolve(&mut self) -> bool {
        let mut is_changed = false;
        let wanted = names(&self.config);
        self.names.retain(|name, _| wanted.contains(name));
        self.troubles.retain(|name, _| wanted.contains(name));
        for (name, found) in look_up(&wanted) {
            match found {
                Ok(mut found) if !found.is_empty() => {
                    sort_by(&mut found, &Ord::cmp);
                    found.dedup();
                    is_changed |= self.take(name, found);
                }
                Ok(_) => self.unknown(name, String::from("it has no address")),
                Err(error) => self.unknown(name, error.to_string()),
            }
        }
        let is_unknown = |name: &String| !self.names.contains_key(name);
        *lock(&self.state.unknown_names) = wanted.into_iter().filter(is_unknown).collect();
        self.resolved = Instant::now();
        is_changed
    }

    fn take(&mut self, name: &str, found: Vec<IpAddr>) -> bool {
        let was_troubled = self.troubles.remove(name).is_some();
        let is_new = self.names.get(name) != Some(&found);
        if is_new || was_troubled {
            log::info!("member {name} is at {found:?}");
        }
        if is_new {
            self.names.insert(name.to_owned(), found);
        }
        is_new
    }

    /// What is wrong is told once, not each time that the name is asked for.
    fn unknown(&mut self, name: &str, why: String) {
        if self.troubles.get(name) != Some(&why) {
            let is_known = self.names.contains_key(name);
            let stays = if is_known { "its addresses stay as they were" } else { "nothing goes to it" };
            log::warn!("member {name}: {why}: {stays}");
            self.troubles.insert(name.to_owned(), why);
        }
    }
}

/// What DNS says of names. A server that does not answer costs its time once, not for each of them.
fn look_up(names: &[String]) -> Vec<(&str, io::Result<Vec<IpAddr>>)> {
    let look_up = |name: &str| Ok((name, 0).to_socket_addrs()?.map(|one| one.ip()).collect());
    let failed = || Err(io::Error::other("it could not be asked for"));
    let mut all: Vec<_> = names.iter().map(|name| (name.as_str(), failed())).collect();
    for some in all.chunks_mut(LOOK_UPS) {
        let mut lost = Vec::new();
        thread::scope(|scope| {
            for (place, (name, found)) in some.iter_mut().enumerate() {
                let ask = Box::new(|| *found = look_up(name));
                lost.extend(spawn_scoped(scope, "name", STACK_BYTES, ask).err().map(|error| (place, error)));
            }
        });
        lost.into_iter().for_each(|(place, error)| some[place].1 = Err(error));
    }
    all
}
