//! The metrics of a testero become values: what it holds, and what it has used since the time before.

use crate::scenario::trace::number::number;

/// The columns that a testero has, in the order of [`PageFigures::since`].
pub const PAGE_COLUMNS: [&str; 7] =
    ["memory_bytes", "cpu_cores", "disk_bytes", "io_bytes_per_second", "inodes", "pids", "fds"];
/// The samples that are read, as they are written there.
const SAMPLES: [&str; 10] = [
    "testero_held_bytes{group=\"mem\"}",
    "testero_jobs_held_bytes",
    "process_cpu_seconds_total",
    "testero_held_bytes{group=\"disk\"}",
    "testero_io_load_bytes_total{direction=\"write\"}",
    "testero_io_load_bytes_total{direction=\"read\"}",
    "testero_held_objects{group=\"inode\"}",
    "testero_held_objects{group=\"pid\"}",
    "testero_held_objects{group=\"fd\"}",
    "process_start_time_seconds",
];

/// What a testero said at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct PageFigures([f64; SAMPLES.len()]);

impl PageFigures {
    /// Reads a page of metrics in the classic text format.
    ///
    /// # Errors
    /// Which sample is not there, or is no number.
    pub fn read(page: &str) -> Result<Self, String> {
        let mut values = [None; SAMPLES.len()];
        for line in page.lines() {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            if let Some(place) = SAMPLES.iter().position(|known| *known == name) {
                values[place] = Some(number(value).map_err(|why| format!("{name}: {why}"))?);
            }
        }
        let mut figures = [0.0; SAMPLES.len()];
        for ((figure, value), name) in figures.iter_mut().zip(values).zip(SAMPLES) {
            *figure = value.ok_or_else(|| format!("it has no {name}: is this a testero?"))?;
        }
        Ok(Self(figures))
    }

    /// The values of [`PAGE_COLUMNS`], so many seconds after those before. What is used is known where the process is
    /// still the same.
    pub fn since(&self, before: &Self, seconds: f64) -> [Option<f64>; PAGE_COLUMNS.len()] {
        let [memory, jobs, cpu, disk, written, read, inodes, pids, fds, _] = self.0;
        let [.., started] = before.0;
        let is_same = (self.0[SAMPLES.len() - 1] - started).abs() < 0.5;
        let used = |now: f64, then: f64| {
            Some((now - then) / seconds).filter(|rate| is_same && *rate >= 0.0 && rate.is_finite())
        };
        [
            Some(memory + jobs),
            used(cpu, before.0[2]),
            Some(disk),
            used(written + read, before.0[4] + before.0[5]),
            Some(inodes),
            Some(pids),
            Some(fds),
        ]
    }
}

/// A second of what a testero remembers, and the values of [`PAGE_COLUMNS`].
pub type RememberedSecond = (f64, [Option<f64>; PAGE_COLUMNS.len()]);

/// Reads what a testero remembers, as `/api/history` tells it in text.
///
/// # Errors
/// What is not as it is there.
pub fn remembered(text: &str) -> Result<Vec<RememberedSecond>, String> {
    let mut lines = text.lines();
    let mut names = lines.next().unwrap_or_default().split(',');
    if names.next() != Some("seconds") || !names.eq(PAGE_COLUMNS) {
        return Err(String::from("it tells no history: is this a testero with a page?"));
    }
    let mut seconds = Vec::new();
    for line in lines {
        let mut words = line.split(',');
        let second = number(words.next().unwrap_or_default())?;
        let mut values = [None; PAGE_COLUMNS.len()];
        for value in &mut values {
            let word = words.next().ok_or_else(|| format!("second {second}: a column is missing"))?;
            *value = if word.is_empty() { None } else { Some(number(word)?) };
        }
        seconds.push((second, values));
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(values: [&str; SAMPLES.len()]) -> String {
        let lines = SAMPLES.iter().zip(values).map(|(name, value)| format!("{name} {value}\n"));
        format!("# HELP testero_held_bytes What is held.\nbumped 5\n{}", lines.collect::<String>())
    }

    #[test]
    fn what_is_held_and_used_is_found() {
        let before = PageFigures::read(&page(["0", "0", "1.5", "0", "100", "50", "0", "0", "0", "1795910160.25"]));
        let after = page(["5", "2", "2.5", "7", "300", "250", "11", "12", "13", "1795910160.25"]);
        let (before, after) = (before.unwrap(), PageFigures::read(&after).unwrap());
        let values = [7.0, 0.5, 7.0, 200.0, 11.0, 12.0, 13.0].map(Some);
        assert_eq!(after.since(&before, 2.0), values);
        // Of another process, nothing is known of what was used.
        let again = page(["5", "2", "0.5", "7", "300", "250", "11", "12", "13", "1795910170.25"]);
        let values = PageFigures::read(&again).unwrap().since(&before, 2.0);
        assert_eq!([values[0], values[1], values[3]], [Some(7.0), None, None]);
        assert_eq!(after.since(&before, 0.0)[1], None);
        assert_eq!(PAGE_COLUMNS.map(crate::scenario::record::column), PAGE_COLUMNS.map(Some));
    }

    #[test]
    fn another_page_is_told() {
        let why = PageFigures::read("up 1\n").unwrap_err();
        assert_eq!(why, "it has no testero_held_bytes{group=\"mem\"}: is this a testero?");
        let why = PageFigures::read("testero_jobs_held_bytes NaN\n").unwrap_err();
        assert!(why.starts_with("testero_jobs_held_bytes: \"NaN\""), "{why}");
    }

    #[test]
    fn what_is_remembered_is_read() {
        let names = format!("seconds,{}", PAGE_COLUMNS.join(","));
        let seconds = remembered(&format!("{names}\n0,5,,1,0,0,0,0\n1,,0.5,1,0,0,0,0\n")).unwrap();
        assert_eq!((seconds.len(), seconds[0].1[0], seconds[0].1[1]), (2, Some(5.0), None));
        assert_eq!((seconds[1].0, seconds[1].1[0], seconds[1].1[1]), (1.0, None, Some(0.5)));
        assert_eq!(remembered(&names), Ok(Vec::new()));
        for (text, why) in [
            (String::from("404 page not found\n"), "no history"),
            (format!("{names}\n0,1\n"), "second 0: a column is missing"),
            (format!("{names}\nx,1\n"), "x"),
            (format!("{names}\n0,-1,,,,,,\n"), "-1"),
        ] {
            let told = remembered(&text).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_history_or_is_told(text in "(seconds,memory_bytes,cpu_cores,disk_bytes,io_bytes_per_second,inodes,pids,fds\n)?([0-9.,-]{0,20}\n){0,5}") {
            let _ = remembered(&text);
        }

        #[test]
        fn any_text_is_a_page_or_is_told(text in "(testero_jobs_held_bytes|[a-z{} 0-9.\n]{0,20}| .{0,9}\n){0,9}") {
            let _ = PageFigures::read(&text);
        }
    }
}
