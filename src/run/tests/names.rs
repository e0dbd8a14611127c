//! Hostile names reach the command, and results/, as they are.

use super::*;

/// Faults 24 (newline, escape, tab), 25 (no UTF-8), 27 (leading dash), 28 (shell words).
const HOSTILE: &[&[u8]] = &[
    b"line\nbreak\t\x1b[2J",
    b"\xff\xfe.csv",
    b"-rf",
    b"--help",
    b"a b 'c' \"d\"",
    b"$(touch pwned)",
    b"`touch pwned`; touch pwned",
    b"{path}",
    b"*",
    b"%41~2",
];

#[test]
fn a_hostile_name_is_one_argument_and_is_never_run() {
    for hostile in HOSTILE {
        let place = Place::new();
        place.claimed(name(hostile));
        let body = "cat -- \"$1\" > \"./$2\"; printf %s \"$IMPORTERD_FILE\"; test $# = 2";
        let attempt = place.attempt_of(&["/bin/sh", "-c", body, "sh", "{path}", "{name}"], name(hostile), LONG);
        place.commit(&attempt.outcome.unwrap());
        let printed = [hostile, b".out".as_slice()].concat();
        assert_eq!(place.published().len(), 2, "{:?}", place.published());
        assert_eq!(place.result(name(hostile)), "what was dropped\n");
        assert_eq!(fs::read(place.path("results").join(name(&printed))).unwrap(), *hostile);
    }
}

#[test]
fn a_plan_survives_json_whatever_the_names_are() {
    for hostile in HOSTILE {
        let planned = Planned { staged: name(hostile).into(), published: name(b"M\xc3\xbcller.pdf").into() };
        let json = serde_json::to_string(&planned).unwrap();
        assert_eq!(serde_json::from_str::<Planned>(&json).unwrap(), planned, "{json}");
        assert!(json.contains("Müller.pdf"), "{json}");
    }
    let cut = r#"{"staged":"a%4","published":"a"}"#;
    assert!(serde_json::from_str::<Planned>(cut).is_err());
    let no_boundary = r#"{"staged":"a%4ü","published":"a"}"#;
    assert!(serde_json::from_str::<Planned>(no_boundary).is_err());
}

// fault 26
#[test]
fn a_result_of_a_255_byte_name_is_published_under_a_shorter_one() {
    let place = Place::new();
    // Two-byte characters, so that a cut anywhere could hit one in the middle.
    let long = format!("{}.csv", "ü".repeat(125));
    let long = format!("x{long}");
    assert_eq!(long.len(), 255);
    for _ in 0..2 {
        place.claimed(&long);
        let attempt = place.attempt_of(
            &["/bin/sh", "-c", "echo x; cat \"$1\" > \"$2\"", "sh", "{path}", "{name}"],
            name(long.as_bytes()),
            LONG,
        );
        place.commit(&attempt.outcome.unwrap());
    }
    let published = place.published();
    assert_eq!(published.len(), 4);
    assert!(published.iter().all(|name| name.len() <= 255 && name.to_str().is_some()), "{published:?}");
    let ends_with = |end: &str| published.iter().filter(|name| name.to_str().unwrap().ends_with(end)).count();
    assert_eq!([ends_with("ü.csv"), ends_with("~2.csv"), ends_with(".out"), ends_with("~2.out")], [1, 1, 2, 1]);
}
