//! Points in the order of time become one value a step, as they come.

/// The most points that are read.
const MOST_POINTS: u64 = 1 << 22;
/// The most values that are kept, of 4 bytes each: twelve days of one a second.
const MOST_VALUES: usize = 1 << 20;
/// What is wrong with a recording of nothing.
const NO_POINT: &str = "there is no point";

/// What stands where points are missing: where two are further apart than two steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GapRule {
    /// The value before.
    Hold,
    /// A line from the value before to that behind.
    #[default]
    Line,
    /// Nothing.
    Zero,
}

/// A recording, with one value a step. The first point is second 0. Values are kept with 24 bits (`f32`), so that each is
/// right within a sixteen-millionth of itself: 64 bytes of a GiB.
#[derive(Clone, Debug, PartialEq)]
pub struct TracePoints {
    every: f64,
    values: Vec<f32>,
    largest: f32,
    /// How many points were read.
    pub points: u64,
    /// How many gaps there were.
    pub gaps: u64,
}

impl TracePoints {
    /// Seconds that it lasts. The last value lasts as long as any.
    pub fn length(&self) -> f64 {
        self.values.len() as f64 * self.every
    }

    /// Seconds from one value to the next.
    pub fn every(&self) -> f64 {
        self.every
    }

    /// The values that are kept, one a step.
    pub fn kept(&self) -> &[f32] {
        &self.values
    }

    /// The largest value.
    pub fn largest(&self) -> f64 {
        f64::from(self.largest)
    }

    /// The value at second `t`.
    pub fn value(&self, t: f64) -> f64 {
        let place = (t / self.every).max(0.0);
        let (whole, way) = (place as usize, place.fract());
        let at = |place: usize| self.values.get(place).or(self.values.last()).map_or(0.0, |value| f64::from(*value));
        at(whole) + (at(whole.saturating_add(1)) - at(whole)) * way
    }
}

/// Takes points in.
pub(super) struct PointBuilder {
    every: Option<f64>,
    gap_rule: GapRule,
    /// The first point, and the last.
    first: f64,
    last: f64,
    /// The step of the points that came last, how many they are, and their sum.
    step: usize,
    count: u64,
    sum: f64,
    /// How many steps before that have no point, and whether they are a gap.
    empty: usize,
    is_gap: bool,
    /// All points as they came, where they are wanted in place of steps.
    all: Option<Vec<(f64, f64)>>,
    points: TracePoints,
}

impl PointBuilder {
    pub(super) fn new(every: Option<f64>, gap_rule: GapRule) -> Self {
        let points = TracePoints { every: 1.0, values: Vec::new(), largest: 0.0, points: 0, gaps: 0 };
        Self {
            every,
            gap_rule,
            first: 0.0,
            last: 0.0,
            step: 0,
            count: 0,
            sum: 0.0,
            empty: 0,
            is_gap: false,
            all: None,
            points,
        }
    }

    /// One that keeps all points, and makes no steps of them.
    pub(super) fn keeping_all(self) -> Self {
        Self { all: Some(Vec::new()), ..self }
    }

    /// Takes in the point of a second, from any beginning.
    ///
    /// # Errors
    /// When it cannot be the next.
    pub(super) fn push(&mut self, second: f64, value: f64) -> Result<(), String> {
        self.points.points += 1;
        if self.points.points > MOST_POINTS {
            return Err(format!("there are more than {MOST_POINTS} points"));
        }
        if self.points.points == 1 {
            (self.first, self.last) = (second, second);
        }
        let passed = second - self.last;
        if passed < 0.0 {
            return Err(format!("time runs backwards, by {} s", crate::units::decimal::Plain(-passed)));
        }
        self.last = second;
        if let Some(all) = &mut self.all {
            all.push((second, value));
            return Ok(());
        }
        let every = match self.every {
            Some(every) => every,
            None if passed > 0.0 => *self.every.insert(passed.round().max(1.0)),
            // Only points of one moment have come.
            None => 1.0,
        };
        // A point belongs to the nearest step, so that one that is a little early is not missing there.
        let step = (second - self.first) / every + 0.5;
        if step >= MOST_VALUES as f64 {
            return Err(format!("it lasts longer than {MOST_VALUES} steps; a longer step is said with every"));
        }
        let step = step as usize;
        if step > self.step {
            self.close();
            self.empty = step - self.step - 1;
            self.is_gap = self.empty > 0 && passed > 2.0 * every;
            self.points.gaps += u64::from(self.is_gap);
            self.step = step;
        }
        self.count += 1;
        self.sum += value;
        Ok(())
    }

    /// Keeps the mean of the step that is over, and what stands in the steps before it.
    fn close(&mut self) {
        let mean = self.sum / self.count.max(1) as f64;
        let before = self.points.values.last().map_or(mean, |value| f64::from(*value));
        let steps = self.empty as f64 + 1.0;
        for empty in 1..=self.empty {
            let value = match self.gap_rule {
                GapRule::Hold if self.is_gap => before,
                GapRule::Zero if self.is_gap => 0.0,
                _ => before + (mean - before) * empty as f64 / steps,
            };
            self.points.values.push(value as f32);
        }
        self.points.values.push(mean as f32);
        (self.count, self.sum, self.empty) = (0, 0.0, 0);
    }

    /// All points as they came, of one that keeps them.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn finish_all(self) -> Result<Vec<(f64, f64)>, String> {
        self.all.filter(|all| !all.is_empty()).ok_or_else(|| String::from(NO_POINT))
    }

    /// All points are in.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn finish(mut self) -> Result<TracePoints, String> {
        if self.points.points == 0 {
            return Err(String::from(NO_POINT));
        }
        self.close();
        self.points.every = self.every.unwrap_or(1.0);
        self.points.largest = self.points.values.iter().fold(0.0, |most: f32, value| most.max(*value));
        self.points.values.shrink_to_fit();
        Ok(self.points)
    }
}
