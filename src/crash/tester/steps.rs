//! One step by hand, in a run folder.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use std::os::unix::process::CommandExt;

use crate::crash::folder::RunFolder;
use crate::crash::input::{StreamKey, write};
use crate::crash::pipeline::parts::{self, Part};
use crate::crash::pipeline::status::{ask, is_ready};
use crate::crash::tester::plans::PartStarter;
use crate::crash::tester::reset::{end, recall, remember, remembered, remove_inputs, reset};
use crate::crash::tester::sanity::verify_by_hand;
use crate::settings::crash::{CrashSettings, ManualStep, PipelineSettings};

/// How long a worker may take to leave.
const GOODBYE: Duration = Duration::from_secs(10);
/// How often a part is asked.
const LOOK: Duration = Duration::from_millis(100);
/// What inputs are made from unless told otherwise.
const SEED: u64 = 1;

/// Does a step: what is to be shown, and the exit code.
///
/// # Errors
/// When it cannot be done.
pub fn step(settings: &CrashSettings, step: &ManualStep, dir: &Path) -> Result<u8, String> {
    let words = |error: io::Error| error.to_string();
    fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    // Sockets have short names only.
    std::env::set_current_dir(dir).map_err(words)?;
    let folder = RunFolder::at(".");
    let pipeline = &settings.pipeline;
    match *step {
        ManualStep::Reset => reset(&folder).map_err(words)?,
        ManualStep::CreateInputs => {
            folder.keep_options(pipeline).map_err(words)?;
            for key in parts::keys_of(pipeline) {
                write(&folder.input(key), pipeline.seed.unwrap_or(SEED), key, pipeline.lines).map_err(words)?;
            }
        }
        ManualStep::DeleteInputs => remove_inputs(Path::new(".")).map_err(words)?,
        ManualStep::StartSink => start(&folder, pipeline, Part::Sink)?,
        ManualStep::StartInitializer => start(&folder, pipeline, Part::Worker(0))?,
        ManualStep::StartWorker(number) | ManualStep::JoinWorker(number) => {
            start(&folder, pipeline, Part::Worker(number))?;
        }
        ManualStep::ShrinkWorker(number) => signal(&folder, number, Signal::TERM)?,
        ManualStep::CrashWorker(number) => signal(&folder, number, Signal::KILL)?,
        ManualStep::PollReady { worker, verbose, wait } => {
            return Ok(poll(&[Part::Worker(worker).name()], verbose, wait));
        }
        ManualStep::PollAllReady { verbose, wait } => {
            let workers: Vec<String> =
                remembered(&folder).into_iter().filter(|name| name.starts_with("worker.")).collect();
            let there: Vec<String> = workers.into_iter().filter(|name| recall(&folder, name).is_some()).collect();
            if there.is_empty() {
                return Err(String::from("no worker was started here"));
            }
            return Ok(poll(&there, verbose, wait));
        }
        ManualStep::Feed { key, rate } => {
            let pipeline = PipelineSettings { rate: rate.or(pipeline.rate), ..pipeline.clone() };
            return part(Part::Feed(StreamKey(key)), &pipeline);
        }
        ManualStep::Worker(number) => return part(Part::Worker(number), pipeline),
        ManualStep::Sink => return part(Part::Sink, pipeline),
        ManualStep::Verify(key) => return verify_by_hand(&folder, StreamKey(key)).map_err(words),
    }
    Ok(0)
}

/// Is a part, in this process.
fn part(part: Part, pipeline: &PipelineSettings) -> Result<u8, String> {
    match parts::run(part, pipeline) {
        Ok(()) => Ok(0),
        Err((code, why)) => {
            log::error!("{why}");
            Ok(code)
        }
    }
}

/// Starts a part that outlives this process.
fn start(folder: &RunFolder, pipeline: &PipelineSettings, part: Part) -> Result<(), String> {
    let name = part.name();
    if let Some(process) = recall(folder, &name) {
        return Err(format!("{name} is there already, pid {}", process.pid));
    }
    let begin = || -> io::Result<u32> {
        fs::create_dir_all(folder.running())?;
        fs::create_dir_all(folder.sink())?;
        folder.keep_options(pipeline)?;
        let plan = PartStarter::new(pipeline)?.plan(part);
        let log = fs::File::options().create(true).append(true).open(&plan.log)?;
        let mut command = Command::new(&plan.command[0]);
        command.args(&plan.command[1..]).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let pid = command.process_group(0).spawn()?.id();
        remember(folder, &name, pid)?;
        Ok(pid)
    };
    begin().map(drop).map_err(|error| format!("{name}: {error}"))
}

fn signal(folder: &RunFolder, number: u32, signal: Signal) -> Result<(), String> {
    let name = Part::Worker(number).name();
    let process = recall(folder, &name).ok_or_else(|| format!("{name} is not there"))?;
    end(process, signal, GOODBYE).map_err(|error| format!("{name}: {error}"))
}

/// Waits until all of them are ready; 0 when they are, 1 when not in time.
fn poll(names: &[String], verbose: bool, wait: Duration) -> u8 {
    let start = Instant::now();
    loop {
        let says = |name: &String| ask(&Path::new("run").join(name), LOOK * 5).map_err(|error| error.to_string());
        let all: Vec<(&String, Result<String, String>)> = names.iter().map(|name| (name, says(name))).collect();
        let is_all = all.iter().all(|(_, line)| line.as_ref().is_ok_and(|line| is_ready(line)));
        if is_all || start.elapsed() >= wait {
            for (name, line) in all {
                let line = line.unwrap_or_else(|why| format!("does not answer: {why}"));
                if verbose || !is_ready(&line) {
                    log::info!("{name} {line}");
                }
            }
            return u8::from(!is_all);
        }
        std::thread::sleep(LOOK);
    }
}
