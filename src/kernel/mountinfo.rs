//! `/proc/self/mountinfo`: where a file system is mounted, and which part of it (proc_pid_mountinfo(5)).

use std::path::{Path, PathBuf};

/// One mounted cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The folder of the hierarchy that is mounted: `/` or, in a container, often our own group.
    pub(super) root: PathBuf,
    /// Where it is mounted.
    pub(super) point: PathBuf,
    /// `cgroup` or `cgroup2`.
    pub(super) kind: String,
    /// The controllers of a v1 hierarchy.
    pub(super) controllers: Vec<String>,
}

/// The cgroup mounts among the lines of a mountinfo file.
pub(super) fn cgroup_mounts(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).filter(|mount| mount.kind == "cgroup" || mount.kind == "cgroup2").collect()
}

/// `31 23 0:28 /root /point rw,relatime shared:4 - cgroup cgroup rw,memory`
fn mount(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (root, point) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let (kind, _source, options) = (after.next()?, after.next()?, after.next()?);
    Some(Mount {
        root: PathBuf::from(unescape(root)),
        point: PathBuf::from(unescape(point)),
        kind: kind.to_owned(),
        controllers: options.split(',').map(str::to_owned).collect(),
    })
}

/// Space, tab, newline and backslash stand as `\040` and so on.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let digits = rest.get(at + 1..at + 4).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        plain.push_str(&rest[..at]);
        match digits {
            Some(byte) => {
                plain.push(char::from(byte));
                rest = &rest[at + 4..];
            }
            None => {
                plain.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    plain + rest
}

impl Mount {
    /// The folders of `group` (a path in the hierarchy, from /proc/self/cgroup) and of its ancestors, as far as this
    /// mount shows them, from the group itself up.
    pub(super) fn folders(&self, group: &Path) -> Vec<PathBuf> {
        // In a cgroup namespace, or where another group's folder is mounted, the path does not lie below the mount's
        // root: then the mount point is the nearest group we can see.
        let inside = group.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let has_parents = inside.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let inside = if has_parents { inside } else { Path::new("") };
        // Joining an empty path would leave a slash behind.
        inside
            .ancestors()
            .map(|part| if part == Path::new("") { self.point.clone() } else { self.point.join(part) })
            .collect()
    }
}
