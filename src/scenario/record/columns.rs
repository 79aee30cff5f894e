//! Answers of Prometheus, a column each, are joined by time.

use crate::scenario::record::lines::RecordLines;

/// The most points of all columns together.
pub const MOST_POINTS: usize = 1 << 22;

/// Points of one kind, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordColumn {
    /// Its name.
    pub name: &'static str,
    /// Pairs of a second, from any beginning, and a value.
    pub points: Vec<(f64, f64)>,
}

/// Columns that are joined.
#[derive(Debug)]
pub struct JoinedColumns {
    /// The table.
    pub text: String,
    /// What it comes to.
    pub lines: RecordLines,
    /// Points that are left out because another column had not begun.
    pub left_out: usize,
}

/// Joins columns: points of the same millisecond are one line. A column that is read alone begins at its own first point,
/// so that columns are at the same time only where all of them begin in the first line: what was before is left out.
///
/// # Errors
/// When there are too many points, or no time that all columns have.
pub fn join(columns: &[RecordColumn]) -> Result<JoinedColumns, String> {
    let total: usize = columns.iter().map(|column| column.points.len()).sum();
    if total > MOST_POINTS {
        return Err(format!(
            "there are {total} points, and a recording has at most {MOST_POINTS}: ask with a longer step"
        ));
    }
    let names: Vec<&'static str> = columns.iter().map(|column| column.name).collect();
    let mut latest: Option<(f64, &str)> = None;
    for column in columns {
        let first = column.points.first().ok_or_else(|| format!("{}: there is no point", column.name))?.0;
        if latest.is_none_or(|(begin, _)| first > begin) {
            latest = Some((first, column.name));
        }
    }
    let (begin, last_to_begin) = latest.unwrap_or_default();
    let mut places = Vec::new();
    for column in columns {
        let place = column.points.partition_point(|(second, _)| millis(*second) < millis(begin));
        if place == column.points.len() {
            let name = column.name;
            return Err(format!("{name} is over before {last_to_begin} begins: ask both with the same start and end"));
        }
        places.push(place);
    }
    let left_out = places.iter().sum();
    let mut lines = RecordLines::new(&names, None);
    let (mut text, mut values) = (String::new(), vec![None; columns.len()]);
    loop {
        let next = |(column, place): (&RecordColumn, &usize)| column.points.get(*place).map(|(second, _)| *second);
        let seconds = columns.iter().zip(&places).filter_map(next);
        let Some(second) = seconds.min_by(f64::total_cmp) else { break };
        for ((column, place), value) in columns.iter().zip(&mut places).zip(&mut values) {
            let point = column.points.get(*place).filter(|(other, _)| millis(*other) == millis(second));
            *value = point.map(|(_, value)| *value);
            *place += usize::from(point.is_some());
        }
        text.push_str(&lines.line(second, &values)?);
    }
    Ok(JoinedColumns { text, lines, left_out })
}

/// Times that are the same to the millisecond are the same.
fn millis(second: f64) -> f64 {
    (second * 1e3).round()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::trace::{GapRule, TraceChoice, read, series_points};
    use proptest::prelude::*;

    fn column(name: &'static str, points: &[(f64, f64)]) -> RecordColumn {
        RecordColumn { name, points: points.to_vec() }
    }

    #[test]
    fn columns_are_joined_by_time() {
        let memory = column("memory_bytes", &[(85.0, 7.0), (100.0, 1.0), (115.0004, 2.0), (130.0, 3.0)]);
        let cpu = column("cpu_cores", &[(100.0, 0.5), (115.0, 0.25), (122.5, 1.0), (122.5, 2.0)]);
        let joined = join(&[memory.clone(), cpu]).unwrap();
        let wanted = "seconds,memory_bytes,cpu_cores\n0,1,0.5\n15,2,0.25\n22.5,,1\n22.5,,2\n30,3,\n";
        assert_eq!((joined.text.as_str(), joined.left_out), (wanted, 1));
        let late = column("cpu_cores", &[(200.0, 1.0)]);
        let why = join(&[memory, late]).unwrap_err();
        assert_eq!(why, "memory_bytes is over before cpu_cores begins: ask both with the same start and end");
        assert!(join(&[column("fds", &[])]).is_err());
        let many = column("fds", &vec![(0.0, 0.0); MOST_POINTS + 1]);
        assert!(join(&[many]).unwrap_err().contains("longer step"));
    }

    proptest! {
        #[test]
        fn a_recording_is_read_as_the_answer_is(
            points in prop::collection::vec((0u32..40, 0u64..1 << 40), 1..60),
            begin in 0u32..2_000_000_000,
        ) {
            let mut second = begin;
            let mut values = Vec::new();
            for (passed, value) in &points {
                values.push(format!("[{second},\"{value}\"]"));
                second += passed;
            }
            let answer = format!(r#"{{"data":{{"result":[{{"metric":{{}},"values":[{}]}}]}}}}"#, values.join(","));
            let points = series_points(&mut answer.as_bytes(), &[]).unwrap();
            let joined = join(&[RecordColumn { name: "memory_bytes", points }]).unwrap();
            let choice = TraceChoice { column: "memory_bytes", unit: 1.0, series: &[], every: None, gaps: GapRule::Line };
            let of_answer = read(&mut answer.as_bytes(), &choice).unwrap();
            let of_recording = read(&mut joined.text.as_bytes(), &choice).unwrap();
            let gaps = of_answer.gaps;
            prop_assert_eq!(of_answer, of_recording);
            let summary = joined.lines.summary();
            let said = summary.contains(&format!(" {gaps} gap"));
            prop_assert!(said, "{} {}", summary, gaps);
        }

        #[test]
        fn any_bytes_are_an_answer_or_are_told(bytes in prop::collection::vec(any::<u8>(), 0..300), place in 0usize..70) {
            let answer = r#"{"data":{"result":[{"metric":{"a":"b"},"values":[[1,"2"],[3,"4"]]}]}}"#;
            let mut changed = answer.as_bytes().to_vec();
            changed.splice(place.min(changed.len()).., bytes.iter().copied().take(2).chain(answer.bytes().skip(place)));
            for bytes in [bytes, changed] {
                if let Ok(points) = series_points(&mut bytes.as_slice(), &[]) {
                    let joined = join(&[column("fds", &points)]);
                    prop_assert!(joined.is_ok(), "{:?}", joined);
                }
            }
        }

        #[test]
        fn any_columns_are_joined_or_are_told(
            columns in prop::collection::vec(prop::collection::vec((0.0f64..1e18, 0.0f64..1e18), 0..20), 0..4),
        ) {
            let sorted = |mut points: Vec<(f64, f64)>| {
                points.sort_by(|one, other| one.0.total_cmp(&other.0));
                points
            };
            let columns: Vec<RecordColumn> = columns
                .into_iter()
                .zip(crate::scenario::record::columns())
                .map(|(points, name)| RecordColumn { name, points: sorted(points) })
                .collect();
            if let Ok(joined) = join(&columns) {
                let kept = joined.text.lines().skip(1).flat_map(|line| line.split(',').skip(1));
                let kept = kept.filter(|field| !field.is_empty()).count();
                let all: usize = columns.iter().map(|column| column.points.len()).sum();
                prop_assert_eq!(kept + joined.left_out, all);
            }
        }
    }
}
