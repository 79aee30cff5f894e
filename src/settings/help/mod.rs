//! What `--help` says: of the consumer as it stands here, of further roles packed.

/// Whose help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Help {
    /// `testero --help`.
    Consumer,
    /// `testero fibonacci --help`.
    #[cfg(feature = "fibonacci")]
    Fibonacci,
    /// `testero counter --help`.
    #[cfg(feature = "counter")]
    Counter,
    /// `testero proxy --help`.
    #[cfg(feature = "proxy")]
    Proxy,
    /// `testero crash --help`.
    #[cfg(feature = "crash")]
    Crash,
    /// `testero scenario --help`.
    #[cfg(feature = "scenario")]
    Scenario,
}

impl Help {
    /// The text.
    pub fn text(self) -> String {
        match self {
            Self::Consumer => CONSUMER.to_owned(),
            // The places are those of build.rs.
            #[cfg(feature = "fibonacci")]
            Self::Fibonacci => of_role(0),
            #[cfg(feature = "counter")]
            Self::Counter => of_role(1),
            #[cfg(feature = "proxy")]
            Self::Proxy => of_role(2),
            #[cfg(feature = "crash")]
            Self::Crash => of_role(3),
            #[cfg(feature = "scenario")]
            Self::Scenario if cfg!(feature = "client") => of_role(4) + &of_role(5),
            #[cfg(feature = "scenario")]
            Self::Scenario => of_role(4),
        }
    }
}

#[cfg(any(feature = "fibonacci", feature = "counter", feature = "proxy", feature = "crash", feature = "scenario"))]
fn of_role(place: usize) -> String {
    crate::packed::unpacked_one(include_bytes!(concat!(env!("OUT_DIR"), "/help.deflate")), place)
}

/// What a consumer alone says nothing of.
#[cfg(feature = "proxy")]
macro_rules! proxy_usage {
    () => {
        "       testero proxy [OPTIONS]                 passes requests on to services\n"
    };
}
#[cfg(not(feature = "proxy"))]
macro_rules! proxy_usage {
    () => {
        ""
    };
}

#[cfg(feature = "crash")]
macro_rules! crash_usage {
    () => {
        "       testero crash N [WORD]...               crashes parts of a system\n"
    };
}
#[cfg(not(feature = "crash"))]
macro_rules! crash_usage {
    () => {
        ""
    };
}

#[cfg(feature = "scenario")]
macro_rules! scenario_usage {
    () => {
        "       testero scenario check|record|examples  loads that move over time\n"
    };
}
#[cfg(feature = "scenario")]
macro_rules! scenario_option {
    () => {
        "  --scenario FILE         played; read again when it changes     SCENARIO\n"
    };
}
#[cfg(not(feature = "scenario"))]
macro_rules! scenario_option {
    () => {
        ""
    };
}
#[cfg(not(feature = "scenario"))]
macro_rules! scenario_usage {
    () => {
        ""
    };
}

/// What asks a running service.
#[cfg(feature = "client")]
macro_rules! client_usage {
    () => {
        "       testero COMMAND [VERB] [FLAG]...        asks a running testero:

  status, top                   what is held, and what there is; of all pods
  mem, disk, inode, pid, fd     set AMOUNT, get, release
  cpu, io                       load [AMOUNT], stop, get
  release                       everything
  ready, health                 whether it is well; disable, enable
  fault                         delay, status, hang, exit, abort, log, term, end
  spread                        one amount over all pods behind a name
  http [METHOD] PATH            any request
  completions bash|zsh|fish     what a shell offers while one types

testero help COMMAND [VERB] has the flags of each, and examples. Exit status of
these: 0 done, 1 refused or failed, 2 wrong usage, 3 nobody answers, 130 Ctrl-C.
"
    };
}
#[cfg(not(feature = "client"))]
macro_rules! client_usage {
    () => {
        ""
    };
}

/// `testero --help`.
const CONSUMER: &str = concat!(
    "\
testero makes a pod really take memory, disk, CPU and more, asked over HTTP.

Usage: testero [OPTIONS]
       testero fibonacci|counter [OPTIONS]     two small services with state
",
    proxy_usage!(),
    crash_usage!(),
    scenario_usage!(),
    "       testero health [--url URL]
",
    client_usage!(),
    "
  curl 'http://localhost:8080/api/mem/set?amount=512Mi'     memory; 0 gives back
  curl 'http://localhost:8080/api/disk/set?amount=50pct'    disk
  curl 'http://localhost:8080/api/cpu/load?time=60'         a CPU for a minute
  curl -X DELETE 'http://localhost:8080/api'                all given back
  curl 'http://localhost:8080/api/status'                   what there is

Options, and the variables that they win over:
  --listen ADDR           where to listen [0.0.0.0:8080]         IP, PORT
  --port N                the port alone                         PORT
  --data-dir DIR          where files go; must exist [.]         DATADIR
  --mem-limit AMOUNT      most memory, 0: all that is free       HIGHMEMLIM
  --disk-limit AMOUNT     most in files, 0: all that is free     HIGHFILELIM
  --disk-reserve AMOUNT   of it, left for logs and others        DISKRESERVE
  --eviction-reserve R    memory=100Mi,disk=10pct kept free      EVICTIONRESERVE
  --cpu-limit N           longest CPU load, seconds [1500]       HIGHCPULIM
  --inode-limit N         most empty files, 0: as there is room  HIGHINODELIM
  --pid-limit N           most threads, 0: as there is room       HIGHPIDLIM
  --fd-limit N            most descriptors, 0: as there is room  HIGHFDLIM
  --number N              the number to factor, below 2^128      NUMTOFACTOR
  --max-ttl TIME          nothing is held for longer             MAXTTL
  --start-mem AMOUNT      taken at the start: 64Mi,ttl=5m        START_MEM
  --start-disk AMOUNT     files from the start                   START_DISK
  --start-cpu AMOUNT      used from the start, like 500m         START_CPU
  --token-file FILE       a token for changes; or TOKEN          TOKENFILE
  --token-reads on        reads and probes need it, too          TOKENREADS
  --faults on             faults on request: exit and others     FAULTS
  --connections N         most connections at a time             CONNECTIONS
",
    scenario_option!(),
    "  --shutdown-delay TIME   served unready after SIGTERM [0]       SHUTDOWNDELAY
  --log-format json       log lines as JSON                      LOGFORMAT
  -h, --help              this text
  -V, --version           the version

testero health exits with 0 when the service answers, with 1 when it does not.
  --url URL               where [http://127.0.0.1:8080/healthz]

RUST_LOG chooses what is logged: error, warn, info (default), debug. POD_NAME,
NODE_NAME and POD_NAMESPACE are told in the status, the metrics and the log.
Exit status: 0 stopped by a signal and all clean, 1 failed, 2 wrong usage.
"
);

#[cfg(test)]
mod tests {
    use super::*;

    /// The proxy's and the tester's are long references, up to 130 columns; an option of each has a line.
    #[test]
    fn a_terminal_of_80_columns_shows_it_whole() {
        let all = [
            Help::Consumer,
            #[cfg(feature = "fibonacci")]
            Help::Fibonacci,
            #[cfg(feature = "counter")]
            Help::Counter,
            #[cfg(feature = "scenario")]
            Help::Scenario,
        ];
        for text in all.map(Help::text) {
            let wide = text.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None);
        }
    }
}
