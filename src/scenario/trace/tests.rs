//! Recordings, good and bad.

use proptest::prelude::*;

use super::*;

const CHOICE: TraceChoice<'_> =
    TraceChoice { column: "memory_bytes", unit: 1.0, series: &[], every: None, gaps: GapRule::Line };

fn csv(text: &str) -> Result<TracePoints, String> {
    read(&mut text.as_bytes(), &CHOICE).map_err(|fault| fault.to_string())
}

fn values(points: &TracePoints) -> Vec<f64> {
    (0..(points.length() / points.every()) as u32).map(|step| points.value(f64::from(step) * points.every())).collect()
}

#[test]
fn a_column_is_chosen_by_its_name() {
    let text = "\n# A day.\r\nseconds, cpu_cores, memory_bytes\n1000,0.5,10\n1001,,20\n\n1002,0.25,40\n";
    let points = csv(text).unwrap();
    assert_eq!(
        (values(&points), points.every(), points.length(), points.points),
        (vec![10.0, 20.0, 40.0], 1.0, 3.0, 3)
    );
    assert_eq!((points.value(1.5), points.value(2.9), points.value(1e30), points.largest()), (30.0, 40.0, 40.0, 40.0));
    let cpu = TraceChoice { column: "cpu_cores", unit: 1000.0, ..CHOICE };
    let points = read(&mut text.as_bytes(), &cpu).unwrap();
    // The point that is missing is no gap yet.
    assert_eq!((values(&points), points.gaps), (vec![500.0, 250.0], 0));
}

#[test]
fn steps_are_as_far_apart_as_points_usually_are() {
    let points = csv("seconds,memory_bytes\n0,1\n15.02,2\n29.98,3\n45,4\n").unwrap();
    assert_eq!((values(&points), points.every(), points.gaps), (vec![1.0, 2.0, 3.0, 4.0], 15.0, 0));
    // Finer ones than a second are averaged.
    let points = csv("seconds,memory_bytes\n0,1\n0.25,3\n0.75,10\n1,20\n1.25,30\n").unwrap();
    assert_eq!((values(&points), points.every()), (vec![2.0, 20.0], 1.0));
}

#[test]
fn gaps_are_filled_as_told_and_counted() {
    let text = "seconds,memory_bytes\n0,10\n1,10\n5,50\n6,60\n10,60\n";
    for (gaps, filled) in [
        (GapRule::Line, [10.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 60.0, 60.0, 60.0, 60.0]),
        (GapRule::Hold, [10.0, 10.0, 10.0, 10.0, 10.0, 50.0, 60.0, 60.0, 60.0, 60.0, 60.0]),
        (GapRule::Zero, [10.0, 10.0, 0.0, 0.0, 0.0, 50.0, 60.0, 0.0, 0.0, 0.0, 60.0]),
    ] {
        let points = read(&mut text.as_bytes(), &TraceChoice { gaps, ..CHOICE }).unwrap();
        assert_eq!((values(&points), points.gaps), (filled.to_vec(), 2), "{gaps:?}");
    }
}

#[test]
fn a_recording_is_scaled_by_a_factor_or_to_an_amount() {
    let points = csv("seconds,memory_bytes\n0,10\n1,40\n").unwrap();
    let at = |scale, t| TraceShape { points: points.clone(), scale }.value(t, Some(1000.0)).unwrap();
    assert_eq!([0.0, 1.0].map(|t| at(TraceScale::Times(0.5), t)), [5.0, 20.0]);
    assert_eq!([0.0, 1.0].map(|t| at(TraceScale::To(TrackAmount::Share(0.8)), t)), [200.0, 800.0]);
    let nothing = csv("seconds,memory_bytes\n0,0\n").unwrap();
    let shape = TraceShape { points: nothing, scale: TraceScale::To(TrackAmount::Units(5.0)) };
    assert_eq!(shape.value(0.0, None), Some(0.0));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    for (rows, why) in [
        ("0,1\n1,1e999", "line 3: memory_bytes: \"1e999\" is no number"),
        ("0,1\n1,NaN", "line 3: memory_bytes: \"NaN\" is no number"),
        ("0,-1", "line 2: memory_bytes: -1 is below zero"),
        ("inf,1", "line 2: seconds: \"inf\" is no number"),
        ("0,1\n\n5,1\n4,1", "line 5: time runs backwards, by 1 s"),
        ("0,1,2", "line 2: it has 3 fields, and the first line has 2"),
        ("0,\"1\"", "line 2: it has quotes"),
        ("", "line 2: there is no point"),
        ("0,1\n1,1\n1e9,1", "line 4: it lasts longer than 1048576 steps"),
    ] {
        let fault = csv(&format!("seconds,memory_bytes\n{rows}")).unwrap_err();
        assert!(fault.starts_with(why), "{rows}: {fault}");
    }
    assert!(csv("time,memory_bytes\n").unwrap_err().starts_with("line 1: no column is named seconds; there are time,"));
    assert!(csv("# nothing\n").unwrap_err().contains("names of columns"));
    let long = format!("seconds,memory_bytes\n{}", "1".repeat(5000));
    assert_eq!(csv(&long), Err(String::from("line 2: the line is longer than 4096 bytes")));
    let fault = read(&mut &b"seconds,memory_bytes\n0,\xff\n"[..], &CHOICE).unwrap_err();
    assert_eq!(fault.to_string(), "line 2: it is not UTF-8");
    let endless = read(&mut std::io::repeat(b'\n'), &CHOICE).unwrap_err();
    assert_eq!(endless.text, "it has more than 4194304 lines");
}

const ANSWER: &str = r#"{"status":"success","data":{"resultType":"matrix","stats":{"x":[1,{"y":null}]},"result":[
{"metric":{"__name__":"container_memory","pod":"web-0"},"values":[[1795910160,"100"],[1795910175.781,"200"]]},
{"metric":{"__name__":"container_memory","pod":"w\u0065b-1"},"values":[[1795910160,"1.5e3"],
[1795910175.781,"2500"]],"more":true}]},"warnings":["a \"word\""]}"#;

fn labels(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn prometheus(text: &str, series: &[(&str, &str)]) -> Result<TracePoints, String> {
    let series = labels(series);
    read(&mut text.as_bytes(), &TraceChoice { series: &series, ..CHOICE }).map_err(|fault| fault.to_string())
}

#[test]
fn a_series_is_chosen_by_its_labels() {
    let points = prometheus(ANSWER, &[("pod", "web-1")]).unwrap();
    assert_eq!((values(&points), points.every()), (vec![1500.0, 2500.0], 16.0));
    let fault = prometheus(ANSWER, &[]).unwrap_err();
    assert!(
        fault.starts_with("line 4: two series fit, {__name__=\"container_memory\", pod=\"web-0\"} and {"),
        "{fault}"
    );
    assert!(prometheus(ANSWER, &[("pod", "web-2")]).unwrap_err().contains("no series has these labels"));
    let one = ANSWER.replace(r#""pod":"web-0""#, r#""pod":"web-0","container":"app""#);
    assert!(prometheus(&one, &[("pod", "web-0"), ("container", "app")]).is_ok());
    // The order of keys does not matter.
    let other = r#"{"data":{"result":[{"values":[[5,"7"]],"metric":{}}]}}"#;
    assert_eq!(values(&prometheus(other, &[]).unwrap()), [7.0]);
    assert!(prometheus(other, &[("pod", "x")]).is_err());
}

#[test]
fn what_is_wrong_with_an_answer_is_said() {
    for (text, why) in [
        (r#"{"status":"error","error":"bad"}"#, "line 1: there is no data.result with values"),
        (r#"{"data":{"result":[{"metric":{},"value":[1,"2"]}]}}"#, "line 1: there is no data.result with values"),
        ("{\"data\":{\"result\":[{\"values\":[[1,\"2\"],\n[2,\"NaN\"]]}]}}", "line 2: value 2: \"NaN\" is no number"),
        (r#"{"data":{"result":[{"values":[[2,"1"],[1,"1"]]}]}}"#, "line 1: value 2: time runs backwards"),
        (r#"{"data":{"result":[{"values":[[2]]}]}}"#, "line 1: value 1: it is no pair"),
        (r#"{"data":{"result":[{"values":[]}]}}"#, "line 1: there is no point"),
        (r#"{"data":{"result":[{"values":[[2,"1","#, "line 1: it ends too early"),
        (r#"{"data":[]}"#, "line 1: expected '{', instead got '['"),
        ("{} {", "line 1: something follows the answer"),
    ] {
        let fault = prometheus(text, &[]).unwrap_err();
        assert!(fault.starts_with(why), "{text}: {fault}");
    }
    let deep = format!("{{\"x\":{}", "[".repeat(100_000));
    assert!(prometheus(&deep, &[]).unwrap_err().contains("too deep"));
}

#[test]
fn a_day_of_a_point_a_second_is_small() {
    let mut text = String::from("seconds,memory_bytes\n");
    for second in 0..86_400u32 {
        text.push_str(&format!("{second},{}\n", u64::from(second) * 100_000));
    }
    let points = csv(&text).unwrap();
    assert_eq!((points.length(), points.points), (86_400.0, 86_400));
    assert_eq!(points.value(86_399.0), f64::from(8_639_900_000.0f32));
    // While it is read, what is kept grows by doubling: this, twice over, is far below 4 MiB.
    assert_eq!(size_of_val(points.kept()), 86_400 * 4);
}

proptest! {
    #[test]
    fn resampling_keeps_the_mean(values in prop::collection::vec(0.0f64..1e9, 1..60), each in 1usize..20) {
        // Each value as so many points of one step.
        let mut text = String::from("seconds,memory_bytes\n");
        let (mut sum, mut number) = (0.0, 0.0);
        for (step, value) in values.iter().enumerate() {
            for point in 0..each {
                let value = value + point as f64;
                (sum, number) = (sum + value, number + 1.0);
                let second = step as f64 * 10.0 + 4.0 * point as f64 / each as f64;
                text.push_str(&format!("{second:.3},{value:.6}\n"));
            }
        }
        let points = read(&mut text.as_bytes(), &TraceChoice { every: Some(10.0), ..CHOICE }).unwrap();
        let kept = self::values(&points);
        prop_assert_eq!(kept.len(), values.len());
        let mean = kept.iter().sum::<f64>() / kept.len() as f64;
        prop_assert!((mean - sum / number).abs() <= 1.0 + mean * 1e-6, "{} {}", mean, sum / number);
    }

    #[test]
    fn any_bytes_are_a_recording_or_are_told(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&mut bytes.as_slice(), &CHOICE);
        let _ = read(&mut [b"{".as_slice(), &bytes].concat().as_slice(), &CHOICE);
        let _ = read(&mut [b"seconds,memory_bytes\n".as_slice(), &bytes].concat().as_slice(), &CHOICE);
    }

    #[test]
    fn any_part_of_an_answer_with_any_change_is_one_or_is_told(
        end in 0usize..600,
        place in 0usize..600,
        byte: u8,
        every in prop::option::of(0.5f64..100.0),
    ) {
        let mut bytes = ANSWER.as_bytes()[..end.min(ANSWER.len())].to_vec();
        if let Some(changed) = bytes.get_mut(place) {
            *changed = byte;
        }
        let series = labels(&[("pod", "web-1")]);
        if let Ok(points) = read(&mut bytes.as_slice(), &TraceChoice { series: &series, every, ..CHOICE }) {
            prop_assert!(points.largest().is_finite() && points.length() > 0.0);
        }
    }

    #[test]
    fn any_rows_are_a_recording_or_are_told(rows in "([0-9.eEaN,+-]{0,12}\n){0,12}") {
        if let Ok(points) = csv(&format!("seconds,memory_bytes\n{rows}")) {
            prop_assert!(points.largest().is_finite() && points.value(3.5) >= 0.0);
        }
    }
}
