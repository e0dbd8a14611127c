//! The tables: median, least and most of every contender, and its ratio to the reference.

use std::fmt::Write;

use crate::contest::{Figure, Shown, Standing};

/// One contender's numbers of one figure.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    /// Of the turns of a contender that showed something.
    pub fn of(shown: &Shown, figure: usize) -> Option<Self> {
        let mut numbers: Vec<f64> = shown.turns.iter().map(|turn| turn[figure]).collect();
        numbers.sort_by(f64::total_cmp);
        let (least, most) = (*numbers.first()?, *numbers.last()?);
        let middle = numbers.len() / 2;
        let median =
            if numbers.len() % 2 == 1 { numbers[middle] } else { f64::midpoint(numbers[middle - 1], numbers[middle]) };
        shown.failed.is_none().then_some(Self { median, least, most })
    }
}

/// All figures of a contest as tables in Markdown.
pub fn markdown(standing: &Standing) -> String {
    let mut text = String::new();
    for (at, figure) in standing.figures.iter().enumerate() {
        table(&mut text, standing, at, figure).unwrap_or_else(|_| unreachable!("memory takes everything"));
    }
    text
}

fn table(text: &mut String, standing: &Standing, at: usize, figure: &Figure) -> std::fmt::Result {
    let references: Vec<&Shown> = standing.references.iter().map(|at| &standing.shown[*at]).collect();
    writeln!(text, "### {}\n", figure.title)?;
    write!(text, "| {} | median | min | max |", figure.unit)?;
    for reference in &references {
        write!(text, " ÷ {} |", reference.name)?;
    }
    writeln!(text, "\n|---|---:|---:|---:|{}", "---:|".repeat(references.len()))?;
    for shown in &standing.shown {
        let Some(spread) = Spread::of(shown, at) else {
            writeln!(text, "| {} | {} |{}", shown.name, why_not(shown), " |".repeat(2 + references.len()))?;
            continue;
        };
        let [median, least, most] = [spread.median, spread.least, spread.most].map(number);
        write!(text, "| {} | {median} | {least} | {most} |", shown.name)?;
        for reference in &references {
            let ratio = Spread::of(reference, at).map(|other| format!("{:.2}", spread.median / other.median));
            write!(text, " {} |", ratio.as_deref().unwrap_or("-"))?;
        }
        writeln!(text)?;
    }
    writeln!(text)
}

fn why_not(shown: &Shown) -> String {
    let failed = shown.failed.as_ref().map(|why| format!("FAILED: {why}"));
    failed.or_else(|| shown.skipped.as_ref().map(|why| format!("skipped: {why}"))).unwrap_or_default()
}

/// With as many digits as mean something.
pub fn number(number: f64) -> String {
    if number < 100.0 {
        return format!("{number:.2}");
    }
    let digits = format!("{number:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str, turns: &[f64]) -> Shown {
        Shown { name: name.into(), turns: turns.iter().map(|turn| vec![*turn]).collect(), skipped: None, failed: None }
    }

    #[test]
    fn a_table_has_median_least_most_and_ratio_and_says_who_is_missing() {
        let figure = Figure { title: "Files".into(), unit: "files/s" };
        let gone = Shown { skipped: Some("no Go".into()), ..shown("go", &[]) };
        let wrong = Shown { failed: Some("1 of 2 rows is missing".into()), ..shown("wrong", &[9e9]) };
        let shown = vec![shown("a", &[1500.0, 500.0, 1000.0]), shown("b", &[1000.0, 3000.0]), gone, wrong];
        let text = markdown(&Standing { figures: vec![figure], references: vec![1], shown });
        assert!(text.contains("| a | 1,000 | 500 | 1,500 | 0.50 |"), "{text}");
        assert!(text.contains("| b | 2,000 | 1,000 | 3,000 | 1.00 |"), "{text}");
        assert!(text.contains("| go | skipped: no Go | | | |"), "{text}");
        assert!(text.contains("| wrong | FAILED: 1 of 2 rows is missing | | | |"), "{text}");
    }
}
