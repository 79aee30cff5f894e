//! What a plan rounds is told, and never comes to more than the limit; but the contract's words and sums stay.

use crate::harness::Testero;

#[cfg(feature = "openapi")]
const MIB: u64 = 1 << 20;
#[cfg(feature = "openapi")]
const NOTE: &str = "257 MiB will be held for 256 MiB asked (parts are rounded; exact=true does not)";

#[cfg(feature = "openapi")]
#[test]
fn what_is_rounded_is_told_in_text_and_in_json() {
    let testero = Testero::start();
    let text = testero.get("/api/mem/set?amount=256Mi&over=5m");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("Memory data request sent for 268435456 bytes, with id#: "), "{text}");
    assert!(lines[0].ends_with(", check /api/mem/getact"), "{text}");
    assert_eq!(lines[1..], [NOTE], "{text}");
    testero.json("DELETE", "/api/mem?wait=true", 200);
    assert_eq!(testero.json("POST", "/api/mem/set?size=256Mi", 202).text("note"), NOTE);
    let waited = testero.json("POST", "/api/disk/set?amount=10.7Mi&wait=true", 200);
    let note = "11 MiB held for 10.7 MiB asked (parts are rounded; exact=true does not)";
    assert_eq!((waited.text("note"), waited["held"].whole()), (note, 11 * MIB));
    let text = testero.get("/api/disk/set?amount=10.7Mi&wait=true");
    assert_eq!(text.lines().nth(1), Some(note), "{text}");
    testero.json("DELETE", "/api/mem?wait=true", 200);
    let preview = "/api/mem/set?amount=256Mi&dry_run=true";
    let note = NOTE.replace("will be", "would be");
    assert!(testero.get(preview).contains(&format!("\n{note}\nIt would fit")), "{}", testero.get(preview));
    assert_eq!(testero.json("POST", preview, 200).text("note"), note);
}

#[test]
fn where_nothing_is_rounded_or_the_contract_is_spoken_nothing_is_said() {
    let testero = Testero::start();
    for target in [
        "/api/mem/set?size=268435456&ttl=5m",
        "/api/mem/set?amount=1Mi&wait=true",
        "/api/mem/set?amount=256Mi&exact=true&wait=true",
        "/api/mem/set?amount=1000000&exact=true&wait=true",
        "/api/pid/set?count=3",
        "/api/mem/set?amount=0&wait=true",
    ] {
        testero.settled("mem");
        assert_eq!(testero.get(target).lines().count(), 1, "{target}");
    }
    let told = testero.json("POST", "/api/mem/set?amount=1Mi", 202);
    assert!(!told.has("note"), "{told:?}");
}

#[test]
fn rounding_never_comes_to_more_than_the_limit() {
    let variables = [("HIGHMEMLIM", "1073741824"), ("HIGHFILELIM", "1000000000")];
    let testero = Testero::start_with(&[], &variables);
    for (group, limit) in [("mem", 1u64 << 30), ("disk", 1_000_000_000)] {
        for amount in ["max", "100pct", "50pct", "99.9pct", "37pct", "max-1", "max-10Mi", &limit.to_string()] {
            let preview = testero.json("POST", &format!("/api/{group}/set?amount={amount}&dry_run=true"), 200);
            assert!(preview["planned"].whole() <= limit, "{group} {amount}: {preview:?}");
            assert!(preview.is("fits"), "{group} {amount}: {preview:?}");
        }
    }
    for amount in ["100pct", "1Gi"] {
        let told = testero.json("POST", &format!("/api/mem/set?amount={amount}&over=5m"), 202);
        assert_eq!((told["requested"].whole(), told["planned"].whole()), (1 << 30, 1 << 30), "{told:?}");
        assert!(!told.has("note"), "{told:?}");
        testero.json("DELETE", "/api/mem?wait=true", 200);
    }
    // In the contract, rounding may.
    testero.get("/api/mem/set?size=1073741824&over=5m");
    assert!(testero.group("mem")["planned"].whole() > 1 << 30);
}

#[test]
fn a_limit_of_no_whole_page_is_kept_to_the_page() {
    let testero = Testero::start_with(&[], &[("HIGHMEMLIM", "5000000")]);
    let told = testero.json("POST", "/api/mem/set?amount=100pct&wait=true", 200);
    assert_eq!((told["held"].whole(), told["requested"].whole()), (4_997_120, 5_000_000));
    assert!(!told.has("note"), "{told:?}");
}
