//! The plot: a bar for each contender's median, with a line from its least to its most.

use std::fmt::Write;

use crate::contest::{Figure, Standing};
use crate::report::{Spread, number};

const WIDTH: f64 = 960.0;
const NAMES_WIDTH: f64 = 330.0;
const BARS_WIDTH: f64 = 480.0;
const ROW_HEIGHT: f64 = 26.0;
const TITLE_HEIGHT: f64 = 44.0;

/// All tables below each other, as SVG.
pub fn svg(standings: &[Standing]) -> String {
    let (mut body, mut y) = (String::new(), 10.0);
    for standing in standings {
        for (at, figure) in standing.figures.iter().enumerate() {
            y = panel(&mut body, y, standing, at, figure).unwrap_or_else(|_| unreachable!("memory takes everything"));
        }
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{y}\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// Draws one table below y, and returns where the next one begins.
fn panel(
    body: &mut String,
    mut y: f64,
    standing: &Standing,
    at: usize,
    figure: &Figure,
) -> Result<f64, std::fmt::Error> {
    writeln!(
        body,
        "<text x=\"10\" y=\"{}\" font-weight=\"bold\">{} ({})</text>",
        y + 24.0,
        escaped(&figure.title),
        figure.unit
    )?;
    y += TITLE_HEIGHT;
    let spreads: Vec<Option<Spread>> = standing.shown.iter().map(|shown| Spread::of(shown, at)).collect();
    let most = spreads.iter().flatten().map(|spread| spread.most).fold(f64::MIN_POSITIVE, f64::max);
    let x = |value: f64| NAMES_WIDTH + value / most * BARS_WIDTH;
    for (place, (shown, spread)) in standing.shown.iter().zip(spreads).enumerate() {
        let (line, end) = (y + ROW_HEIGHT / 2.0, NAMES_WIDTH - 8.0);
        writeln!(body, "<text x=\"{end}\" y=\"{}\" text-anchor=\"end\">{}</text>", line + 4.0, escaped(&shown.name))?;
        if let Some(spread) = spread {
            bar(body, line, place == 0, spread, x)?;
        } else {
            let why = if shown.failed.is_some() { "failed" } else { "skipped" };
            writeln!(body, "<text x=\"{NAMES_WIDTH}\" y=\"{}\" fill=\"#888\">{why}</text>", line + 4.0)?;
        }
        y += ROW_HEIGHT;
    }
    Ok(y + 12.0)
}

fn bar(body: &mut String, line: f64, is_ours: bool, spread: Spread, x: impl Fn(f64) -> f64) -> std::fmt::Result {
    let colour = if is_ours { "#2b6cb0" } else { "#a0aec0" };
    let (left, right, top, low) = (x(spread.least), x(spread.most), line - 8.0, line + 4.0);
    let width = x(spread.median) - NAMES_WIDTH;
    writeln!(body, "<rect x=\"{NAMES_WIDTH}\" y=\"{top}\" width=\"{width:.1}\" height=\"16\" fill=\"{colour}\"/>")?;
    let (end, high) = (right + 6.0, line - 4.0);
    writeln!(
        body,
        "<path d=\"M{left:.1} {line}H{right:.1}M{left:.1} {high}v8M{right:.1} {high}v8\" stroke=\"black\"/>"
    )?;
    writeln!(body, "<text x=\"{end:.1}\" y=\"{low}\">{}</text>", number(spread.median))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
