//! `/api/scenario`: a scenario is given as a body, told, paused, sought and ended.

use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::consumer::Consumer;
use crate::consumer::api::params::Params;
use crate::consumer::api::table::ScenarioStep;
use crate::consumer::scenario::ScenarioRefused;
use crate::consumer::scenario::curves::{ScenarioCurves, TrackCurve};
use crate::consumer::scenario::kept::SCENARIO_BYTES;
use crate::consumer::scenario::player::TrackReport;
use crate::consumer::scenario::stage::ScenarioReport;
use crate::http::bounds::{BODY_BYTES, BODY_DEADLINE};
use crate::http::message::head::Head;
use crate::http::{Answer, BodyRule, Method, Request};
use crate::object;
use crate::parameters::{POINTS, TO};
use crate::scenario::summary::{amount, summary};
use crate::service::json::{Value, list, thousandths};
use crate::service::problem::{Problem, json, say};
use crate::sync::lock;
use crate::units::decimal::{Plain, fixed};
use crate::units::strconv::parse_unsigned;

/// How wide the curves are drawn in an answer.
const COLUMNS: usize = 70;

impl Consumer {
    /// A scenario is kept whole, as long as it is the only one: many at a time would be the memory of many.
    pub(super) fn scenario_body_rule(&self, head: &Head<'_>) -> BodyRule {
        if !matches!(head.method, Method::Post | Method::Put) {
            return BodyRule::Discard(BODY_BYTES);
        }
        // Nothing needs no place, who may not give one gets none, and what is too long never comes to its end.
        let length = head.fields.first("Content-Length").map(|length| parse_unsigned(length).unwrap_or(u64::MAX));
        let is_chunked = head.fields.first("Transfer-Encoding").is_some();
        let is_in_bounds = is_chunked || length.is_some_and(|length| length > 0 && length <= SCENARIO_BYTES as u64);
        if !is_in_bounds || !self.access.allows(&head.fields, true) {
            return BodyRule::Discard(SCENARIO_BYTES);
        }
        let mut receiving = lock(&self.receiving);
        // Who never came to an end has come to its deadline.
        if receiving.is_some_and(|since| since.elapsed() < BODY_DEADLINE) {
            return BodyRule::Discard(SCENARIO_BYTES);
        }
        *receiving = Some(Instant::now());
        BodyRule::Keep(SCENARIO_BYTES)
    }

    /// `/api/scenario`
    pub(super) fn scenario(&self, request: &Request<'_>, params: &Params<'_, '_>) -> Answer {
        let gives = matches!(request.method, Method::Post | Method::Put);
        let changes = gives || *request.method == Method::Delete;
        if changes && let Err(why) = params.only() {
            return Problem::new(400, "invalid", why).answer(params.json);
        }
        match request.method {
            Method::Delete => {
                if self.scenario.end() {
                    self.done(String::from("The scenario is ended, and what it held is given back"), params)
                } else {
                    refusal(&ScenarioRefused::Nothing).answer(params.json)
                }
            }
            _ if gives => match self.give_scenario(request) {
                Ok(()) => {
                    self.log(params, "accepted");
                    self.tell_scenario(202, params)
                }
                Err(problem) => problem.answer(params.json),
            },
            _ => self.tell_scenario(200, params),
        }
    }

    /// A scenario that was received is answered: the next one may come.
    pub(super) fn scenario_is_answered(&self, request: &Request<'_>) {
        if !request.body.is_empty() {
            *lock(&self.receiving) = None;
        }
    }

    fn give_scenario(&self, request: &Request<'_>) -> Result<(), Problem> {
        if request.body.is_empty() {
            let is_given = request.fields.first("Content-Length").is_some_and(|length| length != &b"0"[..]);
            return Err(if is_given {
                Problem::new(503, "unavailable", "another scenario is being received; try again in a moment")
            } else {
                Problem::new(400, "invalid", "the body is the scenario; `testero scenario examples` has some")
            });
        }
        let text = std::str::from_utf8(request.body)
            .map_err(|error| Problem::new(400, "invalid", format!("the scenario is not UTF-8: {error}")))?;
        let plan = self.scenario.read(text).map_err(|why| refusal(&why))?;
        self.scenario.give(plan, text, *request.method == Method::Put).map_err(|why| refusal(&why))
    }

    /// `/api/scenario/pause`, `resume` and `seek`.
    pub(super) fn scenario_step(&self, step: ScenarioStep, params: &Params<'_, '_>) -> Answer {
        if let Err(why) = params.only() {
            return Problem::new(400, "invalid", why).answer(params.json);
        }
        let done = match step {
            ScenarioStep::Pause => self.scenario.pause(true),
            ScenarioStep::Resume => self.scenario.pause(false),
            ScenarioStep::Seek => match params.span(TO.name) {
                Ok(Some(to)) => self.scenario.seek(to.as_secs_f64()),
                Ok(None) => return Problem::new(400, "invalid", "where to? to=90s, for example").answer(params.json),
                Err(why) => return Problem::new(400, "invalid", why).answer(params.json),
            },
        };
        match done {
            Ok(()) => {
                self.log(params, "done");
                self.tell_scenario(200, params)
            }
            Err(why) => refusal(&why).answer(params.json),
        }
    }

    /// `/api/scenario/curves`
    pub(super) fn scenario_curves(&self, params: &Params<'_, '_>) -> Answer {
        let points = match params.only().and_then(|()| params.number(const { &POINTS.whole() })) {
            Ok(points) => points.unwrap_or_default(),
            Err(why) => return Problem::new(400, "invalid", why).answer(params.json),
        };
        match self.scenario.curves(points as u32) {
            None => refusal(&ScenarioRefused::Nothing).answer(params.json),
            Some(curves) if params.json => json(200, &curves_value(&curves)),
            Some(curves) => say(curves_csv(&curves)),
        }
    }

    /// A line on the scenario, where there is one.
    pub(super) fn scenario_line(&self) -> Option<String> {
        self.scenario.report().map(|report| where_it_is(&report))
    }

    fn tell_scenario(&self, status: u16, params: &Params<'_, '_>) -> Answer {
        match self.scenario.report() {
            None => refusal(&ScenarioRefused::Nothing).answer(params.json),
            Some(report) if params.json => json(status, &value(&report)),
            Some(report) => {
                let mut answer = say(in_text(&report));
                if status != 200 {
                    answer = crate::http::text(status, in_text(&report) + "\n").into();
                }
                answer
            }
        }
    }
}

fn refusal(refused: &ScenarioRefused) -> Problem {
    match refused {
        ScenarioRefused::Another => {
            Problem::new(409, "busy", "there is a scenario already; PUT replaces it, and DELETE ends it")
        }
        ScenarioRefused::Nothing => Problem::new(404, "not-found", "there is no scenario; POST gives one"),
        ScenarioRefused::Wrong(lines) => Problem::new(400, "invalid", lines.join("\n")),
        ScenarioRefused::NotStarted(why) => Problem::new(503, "unavailable", why.clone()),
    }
}

/// All of it, for programs.
pub(super) fn value(report: &ScenarioReport) -> Value {
    let tracks = list(&mut report.tracks.iter().map(|track| {
        object! {
            "track": track.kind.name(),
            "wanted": thousandths(track.wanted),
            "held": track.held.map(thousandths),
            "limit": track.limit.map(thousandths),
            "clipped": track.clipped,
            "note": track.note.as_deref(),
        }
    }));
    object! {
        "id": report.id.as_str(),
        "state": report.state,
        "reason": report.reason.as_deref(),
        "begins_in_seconds": report.waits.map(thousandths),
        "second": thousandths(report.second),
        "round": report.round,
        "length": report.plan.length.map(thousandths),
        "speed": thousandths(report.plan.speed),
    }
    .with("tracks", tracks)
}

/// The curves, for programs.
fn curves_value(curves: &ScenarioCurves) -> Value {
    let points = |points: &[Option<f64>]| list(&mut points.iter().map(|point| Value::of(&point.map(thousandths))));
    let tracks = list(&mut curves.curves.iter().map(|TrackCurve { kind, planned, held }| {
        object! { "track": kind.name(), "planned": points(planned), "held": points(held) }
    }));
    object! { "from": thousandths(curves.from), "step": thousandths(curves.step), "tracks": tracks }
}

/// The same as CSV, for whatever draws: nothing stands where nothing is known.
fn curves_csv(curves: &ScenarioCurves) -> String {
    let mut text = String::from("seconds_from_now");
    for TrackCurve { kind, .. } in &curves.curves {
        let _ = write!(text, ",{0}_planned,{0}_held", kind.name());
    }
    for point in 0..curves.curves.first().map_or(0, |curve| curve.planned.len()) {
        let _ = write!(text, "\n{}", fixed(curves.from + point as f64 * curves.step, 1));
        for curve in &curves.curves {
            for value in [curve.planned[point], curve.held[point]] {
                text.push(',');
                if let Some(value) = value {
                    let _ = write!(text, "{}", Plain(thousandths(value)));
                }
            }
        }
    }
    text
}

/// Where it is, in a line.
fn where_it_is(report: &ScenarioReport) -> String {
    let mut text = format!("scenario  {}", report.state);
    // Writing to a String does not fail, here and below.
    if let Some(wait) = report.waits {
        let wait = Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX);
        let _ = write!(text, "  begins in {}", crate::units::duration::in_words(wait));
    }
    let _ = write!(text, "  second {}", fixed(report.second, 1));
    if let Some(length) = report.plan.length {
        let _ = write!(text, " of {}", Plain(length));
    }
    let _ = write!(text, "  round {}  speed {}", report.round + 1, Plain(report.plan.speed));
    if let Some(reason) = &report.reason {
        let _ = write!(text, "  {reason}");
    }
    text
}

/// The same as the value, for people, with what is to come.
fn in_text(report: &ScenarioReport) -> String {
    let mut text = where_it_is(report);
    for TrackReport { kind, wanted, held, clipped, note, .. } in &report.tracks {
        let held = held.map_or_else(|| String::from("-"), |held| amount(*kind, held));
        let _ = write!(text, "\n{:<9} {:>12} wanted  {held:>12} held", kind.name(), amount(*kind, *wanted));
        if *clipped > 0 {
            let times = if *clipped == 1 { String::from("once") } else { format!("{clipped} times") };
            let _ = write!(text, "  clipped {times}");
        }
        if let Some(note) = note {
            let _ = write!(text, "  {note}");
        }
    }
    let mut limits = Vec::new();
    for track in &report.tracks {
        limits.extend(track.limit.map(|limit| (track.kind, limit)));
    }
    text.push_str("\n\n");
    text.push_str(summary(&report.plan, &limits, COLUMNS).trim_end());
    text
}
