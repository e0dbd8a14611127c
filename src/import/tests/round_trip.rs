//! Random rows → file → import → the same cells.

use std::fmt::Write as _;

use super::*;

const ROWS_MAX: usize = 60;

type Draw = fn(&mut fastrand::Rng) -> String;

/// What a column's cells are drawn from, and what its type must be when every cell has a value.
const COLUMNS: [(&str, Draw); 6] = [
    ("integer", |random| random.i64(..).to_string()),
    ("real", |random| format!("{}.{:02}", random.i32(-99_999..99_999), random.u8(..100))),
    ("boolean", |random| random.bool().to_string()),
    ("date", |random| format!("{:04}-{:02}-{:02}", random.u16(1..9_999), random.u8(1..=12), random.u8(1..=28))),
    ("code", |random| format!("0{:04}", random.u32(..10_000))),
    ("text", |random| (0..random.usize(..12)).map(|_| random.choice(ODD).unwrap()).collect()),
];

/// Characters that mean something to somebody.
const ODD: [char; 16] = ['a', '"', ',', ';', '\n', '\r', '\t', ' ', '\'', '\\', 'é', '😀', '0', '-', '.', '\u{feff}'];

fn quoted(cell: &str, random: &mut fastrand::Rng) -> String {
    let must = cell.is_empty() || cell.contains(['"', ',', ';', '\t', '|', '\n', '\r']);
    if must || random.u8(..4) == 0 { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

fn csv(rows: &[Vec<Option<String>>], random: &mut fastrand::Rng) -> String {
    let end = *random.choice(&["\n", "\r\n", "\r"]).unwrap();
    let mut content = COLUMNS.map(|(name, _)| name).join(",") + end;
    for row in rows {
        let cells: Vec<String> =
            row.iter().map(|cell| cell.as_ref().map_or(String::new(), |cell| quoted(cell, random))).collect();
        content += &cells.join(",");
        content += end;
    }
    content
}

fn ndjson(rows: &[Vec<Option<String>>]) -> String {
    let mut content = String::new();
    for row in rows {
        let pairs = row.iter().zip(COLUMNS).filter_map(|(cell, (name, _))| {
            let cell = cell.as_ref()?;
            let bare = matches!(name, "integer" | "real" | "boolean");
            let cell = if bare { cell.clone() } else { serde_json::to_string(cell).unwrap() };
            Some(format!("\"{name}\":{cell}"))
        });
        writeln!(content, "{{{}}}", pairs.collect::<Vec<_>>().join(",")).unwrap();
    }
    content
}

/// The cell as SQLite must have it.
fn expected(name: &str, cell: Option<&String>) -> String {
    let Some(cell) = cell else { return "NULL".to_owned() };
    match name {
        "integer" => cell.clone(),
        "real" => format!("{:?}", cell.parse::<f64>().unwrap()),
        "boolean" => i64::from(cell == "true").to_string(),
        _ => format!("'{cell}'"),
    }
}

#[test]
fn random_cells_come_back_as_they_were() {
    for _ in 0..40 {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let rows: Vec<Vec<Option<String>>> = (0..random.usize(1..ROWS_MAX))
            .map(|number| {
                let cell = |(_, draw): &(&str, Draw)| {
                    // The first row is full, so that every column has its type.
                    (number == 0 || random.u8(..5) > 0).then(|| draw(&mut random))
                };
                COLUMNS.iter().map(cell).collect()
            })
            .collect();
        let (name, content) =
            if random.bool() { ("a.csv", csv(&rows, &mut random)) } else { ("a.ndjson", ndjson(&rows)) };
        let mut orders = Orders::new();
        let outcome = orders.import(name, &content);
        assert_eq!(outcome, Ok(loaded(rows.len() as u64)), "seed {seed}:\n{content}");
        let back = orders.rows("SELECT integer, real, boolean, date, code, text FROM orders ORDER BY rowid");
        for (row, back) in rows.iter().zip(&back) {
            let row: Vec<String> =
                row.iter().zip(COLUMNS).map(|(cell, (name, _))| expected(name, cell.as_ref())).collect();
            assert_eq!(row.join("|"), *back, "seed {seed}:\n{content}");
        }
        assert_eq!(back.len(), rows.len(), "seed {seed}");
    }
}
