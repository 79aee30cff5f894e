//! Tracks: what of one kind is wanted over time, as a sum of shapes; and intervals of readiness and of faults.

use crate::scenario::amount::{MOST_UNITS, TrackAmount};
use crate::scenario::shape::TimedShape;
use crate::units::quantity::Unit;

/// What a track wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackKind {
    /// Bytes of memory.
    Memory,
    /// Bytes of files.
    Disk,
    /// Millicores.
    Cpu,
    /// Empty files.
    Inode,
    /// Parked threads.
    Pid,
    /// Open descriptors.
    Fd,
    /// Bytes a second that are written and read.
    Io,
}

/// All of them, by name.
pub const TRACKS: [(&str, TrackKind); 7] = [
    ("memory", TrackKind::Memory),
    ("disk", TrackKind::Disk),
    ("cpu", TrackKind::Cpu),
    ("inode", TrackKind::Inode),
    ("pid", TrackKind::Pid),
    ("fd", TrackKind::Fd),
    ("io", TrackKind::Io),
];

impl TrackKind {
    /// Its name in a file.
    pub fn name(self) -> &'static str {
        TRACKS[self as usize].0
    }

    /// The column of a recording that it is played from where none is named.
    pub fn column(self) -> &'static str {
        match self {
            Self::Memory => "memory_bytes",
            Self::Disk => "disk_bytes",
            Self::Cpu => "cpu_cores",
            Self::Inode => "inodes",
            Self::Pid => "pids",
            Self::Fd => "fds",
            Self::Io => "io_bytes_per_second",
        }
    }

    /// What its amounts count.
    pub fn unit(self) -> Unit {
        match self {
            Self::Memory | Self::Disk | Self::Io => Unit::Bytes,
            Self::Cpu => Unit::Millicores,
            Self::Inode | Self::Pid | Self::Fd => Unit::Count,
        }
    }

    /// Whether there is a limit of it that an amount can be a share of.
    pub fn has_limit(self) -> bool {
        self != Self::Io
    }
}

/// What is done when a track wants more than its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AtLimit {
    /// It takes what the limit lets it.
    #[default]
    Clip,
    /// The scenario is over.
    Stop,
}

/// What of one kind is wanted: the sum of shapes.
#[derive(Debug)]
pub struct Track {
    /// What it wants.
    pub kind: TrackKind,
    /// Its parts.
    pub shapes: Vec<TimedShape>,
    /// What is done when it wants too much.
    pub at_limit: AtLimit,
    /// What all its amounts are multiplied by, from 0.
    pub scale: f64,
}

/// What the amounts of a track depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitNeed {
    /// On nothing.
    Nothing,
    /// All are shares of the limit.
    Shares,
    /// Some are.
    Mixed,
}

impl Track {
    /// How much is wanted at second `s`, in units, from 0 to [`MOST_UNITS`]. `None` when that depends on a limit that is
    /// not known.
    pub fn wanted(&self, s: f64, limit: Option<f64>) -> Option<f64> {
        let mut sum = 0.0;
        for shape in &self.shapes {
            sum += shape.value(s, limit)?;
        }
        sum *= self.scale;
        Some(if sum.is_nan() { 0.0 } else { sum.clamp(0.0, MOST_UNITS) })
    }

    /// The first second after `s` where a shape of it jumps or bends; infinite where there is none.
    pub fn edge_after(&self, s: f64, limit: Option<f64>) -> f64 {
        self.shapes.iter().fold(f64::INFINITY, |edge, shape| edge.min(shape.edge_after(s, limit)))
    }

    /// At which second a leak stops the scenario, where one does.
    pub fn stops_at(&self, limit: Option<f64>) -> Option<f64> {
        let mut first = f64::INFINITY;
        for shape in &self.shapes {
            first = first.min(shape.stops_at(limit).unwrap_or(f64::INFINITY));
        }
        Some(first).filter(|first| first.is_finite())
    }

    /// What its amounts depend on.
    pub fn need(&self) -> LimitNeed {
        let (mut shares, mut units) = (false, false);
        for shape in &self.shapes {
            shape.each_amount(&mut |amount| match amount {
                TrackAmount::Share(_) => shares = true,
                // Nothing is no unit.
                TrackAmount::Units(number) => units |= number > 0.0,
            });
        }
        match (shares, units) {
            (false, _) => LimitNeed::Nothing,
            (true, false) => LimitNeed::Shares,
            (true, true) => LimitNeed::Mixed,
        }
    }
}

/// From when to when something holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its first second.
    pub at: f64,
    /// How many seconds.
    pub length: f64,
}

impl Interval {
    /// Whether it holds at second `s`.
    pub fn holds(&self, s: f64) -> bool {
        s >= self.at && s - self.at < self.length
    }

    /// The first second after it.
    pub fn end(&self) -> f64 {
        self.at + self.length
    }
}

/// Whether the pod says that it is ready.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReadyInterval {
    /// When it says so.
    pub interval: Interval,
    /// What it says.
    pub is_ready: bool,
}

/// Something goes wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultInterval {
    /// When; exit and abort have no length.
    pub interval: Interval,
    /// What goes wrong.
    pub fault: PlannedFault,
}

/// What goes wrong: the faults under `/fault`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PlannedFault {
    /// The process ends with this code.
    Exit(u8),
    /// The process ends as by a crash.
    Abort,
    /// Nothing is answered.
    Hang,
    /// Answers come so many milliseconds later.
    Delay(u64),
    /// So many of a hundred answers have this status.
    Status {
        /// 400 to 599.
        code: u16,
        /// 0 to 100.
        percent: u64,
    },
    /// Log lines are written, so many a second.
    Log {
        /// How many.
        lines: u64,
        /// How many a second.
        rate: u64,
    },
    /// SIGTERM is obeyed so many seconds later, or not at all.
    Term(Option<f64>),
}

/// The names of faults.
pub const FAULT_NAMES: [&str; 7] = ["exit", "abort", "hang", "delay", "status", "log", "term"];

impl PlannedFault {
    /// Its name in a file, and under `/fault`.
    pub fn name(&self) -> &'static str {
        FAULT_NAMES[match self {
            Self::Exit(_) => 0,
            Self::Abort => 1,
            Self::Hang => 2,
            Self::Delay(_) => 3,
            Self::Status { .. } => 4,
            Self::Log { .. } => 5,
            Self::Term(_) => 6,
        }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::shape::{AfterLeak, Leak, Shape};

    fn constant(amount: TrackAmount, begin: f64, end: f64) -> TimedShape {
        TimedShape { shape: Shape::Constant(amount), begin, end }
    }

    #[test]
    fn a_track_is_the_sum_of_its_shapes() {
        let shapes = vec![
            constant(TrackAmount::Units(100.0), 0.0, f64::INFINITY),
            constant(TrackAmount::Share(0.5), 10.0, 20.0),
        ];
        let track = Track { kind: TrackKind::Memory, shapes, at_limit: AtLimit::Clip, scale: 1.0 };
        let at = |s| track.wanted(s, Some(1000.0));
        assert_eq!([at(0.0), at(10.0), at(19.9), at(20.0)], [100.0, 600.0, 600.0, 100.0].map(Some));
        assert_eq!((track.wanted(0.0, None), track.need()), (None, LimitNeed::Mixed));
        assert_eq!([0.0, 10.0, 20.0].map(|s| track.edge_after(s, None)), [10.0, 20.0, f64::INFINITY]);
    }

    #[test]
    fn all_amounts_have_one_factor_and_shares_of_a_limit_have_it_too() {
        let shapes = vec![
            constant(TrackAmount::Units(101.0), 0.0, f64::INFINITY),
            constant(TrackAmount::Share(0.5), 10.0, f64::INFINITY),
        ];
        let track = Track { kind: TrackKind::Memory, shapes, at_limit: AtLimit::Clip, scale: 0.5 };
        assert_eq!([0.0, 10.0].map(|s| track.wanted(s, Some(1000.0))), [Some(50.5), Some(300.5)]);
        let huge = Track { scale: 1e9, shapes: vec![constant(TrackAmount::Units(1e18), 0.0, 1.0)], ..track };
        assert_eq!(huge.wanted(0.0, None), Some(MOST_UNITS));
    }

    #[test]
    fn a_leak_may_stop_the_scenario() {
        let leak =
            Leak { rate: TrackAmount::Units(5.0), per: 1.0, until: TrackAmount::Share(0.5), then: AfterLeak::Stop };
        let shapes = vec![TimedShape { shape: Shape::Leak(leak), begin: 7.0, end: f64::INFINITY }];
        let track = Track { kind: TrackKind::Memory, shapes, at_limit: AtLimit::Clip, scale: 1.0 };
        assert_eq!((track.stops_at(None), track.stops_at(Some(100.0))), (None, Some(17.0)));
        assert_eq!(track.wanted(1e9, Some(100.0)), Some(50.0));
    }

    #[test]
    fn names_are_those_of_their_kinds() {
        assert!(TRACKS.iter().all(|(name, kind)| kind.name() == *name));
        let interval = Interval { at: 5.0, length: 2.0 };
        assert_eq!([4.9, 5.0, 6.9, 7.0].map(|s| interval.holds(s)), [false, true, true, false]);
    }
}
