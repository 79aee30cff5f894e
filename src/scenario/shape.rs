//! Shapes: what a track wants at each second, or a part of it.

use crate::scenario::amount::{TrackAmount, between};
use crate::scenario::spikes::Spikes;
use crate::scenario::trace::{TraceScale, TraceShape};
use crate::scenario::walk::Walk;
use crate::scenario::wave::Wave;

/// A value at each second of a shape's own time, which begins where it does.
#[derive(Debug)]
pub enum Shape {
    /// Always the same.
    Constant(TrackAmount),
    /// Evenly from one amount to another, where it stays.
    Ramp {
        /// At its second 0.
        from: TrackAmount,
        /// At the end, and from then on.
        to: TrackAmount,
        /// Seconds, more than 0.
        over: f64,
    },
    /// Amounts from these seconds on, in the order of time; nothing before the first.
    Steps(Vec<(f64, TrackAmount)>),
    /// What comes again after each period.
    Wave(Wave),
    /// Spikes at random.
    Spikes(Spikes),
    /// So much more each second.
    Leak(Leak),
    /// Steps at random.
    Walk(Walk),
    /// A recording.
    Trace(TraceShape),
}

/// A leak, as of memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Leak {
    /// So much in `per` seconds.
    pub rate: TrackAmount,
    /// Seconds, more than 0.
    pub per: f64,
    /// How much there is at most.
    pub until: TrackAmount,
    /// What comes when it is that much.
    pub then: AfterLeak,
}

/// What comes after a leak is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterLeak {
    /// It stays so.
    #[default]
    Hold,
    /// It begins again with nothing.
    Drop,
    /// It stays so, and the scenario is over.
    Stop,
}

impl Leak {
    /// Seconds until it is full; endless where nothing leaks.
    fn length(&self, limit: Option<f64>) -> Option<f64> {
        let (rate, until) = (self.rate.resolve(limit)?, self.until.resolve(limit)?);
        Some(if rate > 0.0 { until / rate * self.per } else { f64::INFINITY })
    }

    fn value(&self, t: f64, limit: Option<f64>) -> Option<f64> {
        let (rate, until, length) = (self.rate.resolve(limit)?, self.until.resolve(limit)?, self.length(limit)?);
        // One that is full at once stays so.
        let t = if self.then == AfterLeak::Drop && length > 0.0 && t >= length { t % length } else { t };
        Some((rate / self.per * t).min(until))
    }

    fn edge_after(&self, t: f64, limit: Option<f64>) -> f64 {
        match self.length(limit) {
            Some(length) if length > t => length,
            Some(length) if self.then == AfterLeak::Drop && length > 0.0 => {
                let edge = ((t / length).floor() + 1.0) * length;
                if edge > t { edge } else { edge + length }
            }
            _ => f64::INFINITY,
        }
    }
}

impl Shape {
    fn value(&self, t: f64, limit: Option<f64>) -> Option<f64> {
        match self {
            Self::Constant(amount) => amount.resolve(limit),
            Self::Ramp { from, to, over } => {
                Some(between(from.resolve(limit)?, to.resolve(limit)?, (t / over).min(1.0)))
            }
            Self::Steps(steps) => {
                // All are resolved, so that whether a limit is needed does not depend on the time.
                let mut value = 0.0;
                for (at, amount) in steps {
                    let amount = amount.resolve(limit)?;
                    if *at <= t {
                        value = amount;
                    }
                }
                Some(value)
            }
            Self::Wave(wave) => wave.value(t, limit),
            Self::Spikes(spikes) => spikes.value(t, limit),
            Self::Leak(leak) => leak.value(t, limit),
            Self::Walk(walk) => walk.value(t, limit),
            Self::Trace(trace) => trace.value(t, limit),
        }
    }

    /// The first second after `t` where it jumps or bends.
    fn edge_after(&self, t: f64, limit: Option<f64>) -> f64 {
        match self {
            Self::Constant(_) => f64::INFINITY,
            Self::Ramp { over, .. } => {
                if *over > t {
                    *over
                } else {
                    f64::INFINITY
                }
            }
            Self::Steps(steps) => steps.iter().map(|(at, _)| *at).find(|at| *at > t).unwrap_or(f64::INFINITY),
            Self::Wave(wave) => wave.edge_after(t),
            Self::Spikes(spikes) => spikes.edge_after(t),
            Self::Leak(leak) => leak.edge_after(t, limit),
            Self::Walk(walk) => walk.edge_after(t),
            Self::Trace(trace) if t < trace.points.length() => {
                let every = trace.points.every();
                let edge = ((t / every).floor() + 1.0) * every;
                if edge > t { edge } else { edge + every }
            }
            Self::Trace(_) => f64::INFINITY,
        }
    }

    /// Seconds until it has come to an end by itself, where it does and no limit decides when.
    fn length(&self) -> Option<f64> {
        match self {
            Self::Ramp { over, .. } => Some(*over),
            Self::Steps(steps) => steps.last().map(|(at, _)| *at),
            Self::Leak(leak) if leak.then != AfterLeak::Drop => leak.length(None).filter(|length| length.is_finite()),
            Self::Trace(trace) => Some(trace.points.length()),
            _ => None,
        }
    }

    /// Shows each amount of it.
    fn each_amount(&self, show: &mut dyn FnMut(TrackAmount)) {
        match self {
            Self::Constant(amount) => show(*amount),
            Self::Ramp { from, to, .. } => [from, to].into_iter().for_each(|amount| show(*amount)),
            Self::Steps(steps) => steps.iter().for_each(|(_, amount)| show(*amount)),
            Self::Wave(wave) => [wave.low, wave.high].into_iter().for_each(show),
            Self::Spikes(spikes) => [spikes.height.0, spikes.height.1].into_iter().for_each(show),
            Self::Leak(leak) => [leak.rate, leak.until].into_iter().for_each(show),
            Self::Walk(walk) => [walk.low, walk.high, walk.step].into_iter().for_each(show),
            Self::Trace(trace) => show(match trace.scale {
                TraceScale::Times(factor) => TrackAmount::Units(factor),
                TraceScale::To(amount) => amount,
            }),
        }
    }
}

/// A shape, and between which seconds of the scenario it counts.
#[derive(Debug)]
pub struct TimedShape {
    /// What it is.
    pub shape: Shape,
    /// Its second 0, in seconds of the scenario.
    pub begin: f64,
    /// From here on it is nothing; infinite where it has no end.
    pub end: f64,
}

impl TimedShape {
    /// What it adds at second `s` of the scenario. `None` when it depends on a limit that is not known.
    pub fn value(&self, s: f64, limit: Option<f64>) -> Option<f64> {
        let value = self.shape.value((s - self.begin).max(0.0), limit)?;
        Some(if (self.begin..self.end).contains(&s) { value } else { 0.0 })
    }

    /// The first second after `s` where it jumps or bends; infinite where there is none.
    pub fn edge_after(&self, s: f64, limit: Option<f64>) -> f64 {
        if s < self.begin {
            return self.begin;
        }
        let own = self.begin + self.shape.edge_after(s - self.begin, limit);
        // Where numbers are so large that seconds are lost in them, there are no edges.
        let own = if own > s { own } else { f64::INFINITY };
        if s < self.end { own.min(self.end) } else { f64::INFINITY }
    }

    /// At which second of the scenario it has come to an end; `None` where it goes on, or a limit decides.
    pub fn length(&self) -> Option<f64> {
        let own = self.shape.length().map_or(f64::INFINITY, |length| self.begin + length);
        Some(own.min(self.end)).filter(|end| end.is_finite())
    }

    /// Seconds after which it looks the same again, where it does.
    pub fn period(&self) -> Option<f64> {
        match &self.shape {
            Shape::Wave(wave) => Some(wave.period),
            Shape::Leak(leak) if leak.then == AfterLeak::Drop => leak.length(None).filter(|length| length.is_finite()),
            _ => None,
        }
    }

    /// At which second of the scenario it stops it; `None` where it does not, or depends on a limit that is not known.
    pub fn stops_at(&self, limit: Option<f64>) -> Option<f64> {
        let Shape::Leak(leak) = &self.shape else { return None };
        let full = self.begin + leak.length(limit)?;
        (leak.then == AfterLeak::Stop && full < self.end).then_some(full)
    }

    /// Shows each amount of it.
    pub fn each_amount(&self, show: &mut dyn FnMut(TrackAmount)) {
        self.shape.each_amount(show);
    }
}

#[cfg(test)]
mod tests;
