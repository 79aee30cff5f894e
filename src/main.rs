//! argv and environment become a role; what comes of it becomes the exit code.

use std::io::Write;
use std::process::ExitCode;

use testero::command::Command;
use testero::consumer;
#[cfg(feature = "counter")]
use testero::counter;
#[cfg(feature = "crash")]
use testero::crash;
#[cfg(feature = "fibonacci")]
use testero::fibonacci;
use testero::service::{health_check, logging};
#[cfg(feature = "crash")]
use testero::settings::Identity;
#[cfg(feature = "proxy")]
use testero::settings::proxy::{ProxySettings, file};
#[cfg(feature = "scenario")]
use testero::settings::scenario::record_words::{RecordSource, RecordWords};
#[cfg(feature = "scenario")]
use testero::settings::scenario::{record_files, words::ScenarioWords};

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let command = match Command::read_as(words.next(), words, |name| std::env::var_os(name)) {
        Ok(command) => command,
        Err(problem) => {
            let help = Command::help_for(&std::env::args_os().skip(1).collect::<Vec<_>>());
            complain(&format!("{problem} (see {help})"));
            return ExitCode::from(2);
        }
    };
    let result = match command {
        Command::Help(text) => print(&text),
        Command::Version => print(concat!("testero ", env!("CARGO_PKG_VERSION"), "\n")),
        #[cfg(feature = "client")]
        Command::Ask(job) => {
            return match testero::client::run(&job) {
                Ok(()) => ExitCode::SUCCESS,
                Err(testero::client::Trouble::Mistakes(lines)) => {
                    let _ = writeln!(std::io::stderr(), "{lines}");
                    ExitCode::from(2)
                }
                Err(trouble) => {
                    complain(trouble.words());
                    ExitCode::from(trouble.code())
                }
            };
        }
        Command::Health(url, token) => {
            health_check::ask(&url, token.as_ref()).map_err(|error| format!("{url}: {error}"))
        }
        #[cfg(feature = "fibonacci")]
        Command::Fibonacci(settings) => {
            logging::start(settings.json_log, &settings.identity);
            fibonacci::run(&settings).map_err(|error| error.to_string())
        }
        #[cfg(feature = "counter")]
        Command::Count(settings) => {
            logging::start(settings.json_log, &settings.identity);
            counter::run(&settings).map_err(|error| error.to_string())
        }
        #[cfg(feature = "proxy")]
        Command::Proxy(settings) => {
            return proxy(&settings).unwrap_or_else(|problem| {
                complain(&problem);
                ExitCode::FAILURE
            });
        }
        #[cfg(feature = "crash")]
        Command::Crash(settings, words) => {
            logging::start_at(log::LevelFilter::Info, false, &Identity::default());
            return match crash::run(&settings, &words) {
                Ok(code) => ExitCode::from(code),
                Err((code, problem)) => {
                    complain(&problem);
                    ExitCode::from(code)
                }
            };
        }
        #[cfg(feature = "scenario")]
        Command::Scenario(words) => {
            return scenario(&words).unwrap_or_else(|problem| {
                complain(&problem);
                ExitCode::FAILURE
            });
        }
        Command::Consume(settings) => {
            logging::start(settings.json_log, &settings.identity);
            consumer::run(&settings).map_err(|error| error.to_string())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            complain(&problem);
            ExitCode::FAILURE
        }
    }
}

/// Runs the proxy, or looks at its file. What is wrong with the file is said here, however much it is.
#[cfg(feature = "proxy")]
fn proxy(settings: &ProxySettings) -> Result<ExitCode, String> {
    if settings.check {
        return check(settings);
    }
    logging::start_at(settings.log_level, settings.json_log, &settings.identity);
    log::info!("configuration file: {}", settings.file.display());
    match file::load(&settings.file) {
        Ok((config, warnings)) => {
            warnings.iter().for_each(|warning| log::warn!("{warning}"));
            testero::proxy::run(settings, config).map(|()| ExitCode::SUCCESS).map_err(|error| error.to_string())
        }
        Err(faults) => {
            faults.iter().for_each(|fault| log::error!("{fault}"));
            Ok(ExitCode::FAILURE)
        }
    }
}

/// `testero proxy --check`: the verdict goes to stdout, what is wrong or odd to stderr, where nobody may be listening.
#[cfg(feature = "proxy")]
fn check(settings: &ProxySettings) -> Result<ExitCode, String> {
    let mut stderr = std::io::stderr();
    match file::load(&settings.file) {
        Ok((config, warnings)) => {
            for warning in warnings {
                let _ = writeln!(stderr, "warning: {warning}");
            }
            print(&format!("{}: ok: {}\n", settings.file.display(), config.summary())).map(|()| ExitCode::SUCCESS)
        }
        Err(faults) => {
            for fault in faults {
                let _ = writeln!(stderr, "{fault}");
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

/// `testero scenario`. What is wrong with a file goes to stderr, a line each.
#[cfg(feature = "scenario")]
fn scenario(words: &ScenarioWords) -> Result<ExitCode, String> {
    let (path, limits) = match words {
        ScenarioWords::Check { path, limits } => (path, limits),
        ScenarioWords::Record(words) => return Ok(record(words)),
        ScenarioWords::Show(text) => return print(text).map(|()| ExitCode::SUCCESS),
        ScenarioWords::Example(example) => return print(&example.text()).map(|()| ExitCode::SUCCESS),
        ScenarioWords::Schema => {
            return print(&testero::settings::scenario::examples::schema()).map(|()| ExitCode::SUCCESS);
        }
    };
    match testero::settings::scenario::load(path) {
        Ok(scenario) => {
            let columns = testero::kernel::sys::terminal_columns().unwrap_or(usize::MAX);
            print(&testero::scenario::summary::summary(&scenario, limits, columns)).map(|()| ExitCode::SUCCESS)
        }
        Err(faults) => {
            for fault in faults {
                let _ = writeln!(std::io::stderr(), "{fault}");
            }
            Ok(ExitCode::from(2))
        }
    }
}

/// `testero scenario record`.
#[cfg(feature = "scenario")]
fn record(words: &RecordWords) -> ExitCode {
    let output = &words.output;
    let done = match &words.source {
        RecordSource::Prometheus { answers, series } => record_files::record_prometheus(answers, series, output),
        RecordSource::Top { path, every, pod } => record_files::record_top(path, *every, pod.as_deref(), output),
        #[cfg(feature = "client")]
        RecordSource::Service(asked) => testero::client::recorder::run(asked, output),
        #[cfg(not(feature = "client"))]
        RecordSource::Service(asked) => record_files::cannot_ask(&asked.url),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            complain(&trouble.to_string());
            ExitCode::from(trouble.code())
        }
    }
}

/// Writes to stdout. A reader that has gone away (`testero --help | head -1`) is no failure.
fn print(text: &str) -> Result<(), String> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(format!("cannot write: {error}")),
        _ => Ok(()),
    }
}

/// Writes one line to stderr, where nobody may be listening.
fn complain(problem: &str) {
    if logging::is_json() {
        return log::error!("{problem}");
    }
    let _ = writeln!(std::io::stderr(), "testero: {problem}");
}
