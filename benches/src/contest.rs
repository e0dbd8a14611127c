//! A contest: everybody does the same work, in turns, several times.

use crate::Outcome;

/// What is measured.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What the table is called.
    pub title: String,
    /// Of each number.
    pub unit: &'static str,
}

/// One turn: a number for each of the contest's figures.
type Turn<'a> = Box<dyn Fn() -> Outcome<Vec<f64>> + 'a>;

/// One way to do the work.
pub struct Contender<'a> {
    name: String,
    turn: Turn<'a>,
    /// Why it doesn't take part.
    skipped: Option<String>,
}

impl<'a> Contender<'a> {
    pub fn new(name: impl Into<String>, turn: impl Fn() -> Outcome<Vec<f64>> + 'a) -> Self {
        Self { name: name.into(), turn: Box::new(turn), skipped: None }
    }

    /// The same, unless something it needs is missing.
    pub fn unless(mut self, missing: Option<String>) -> Self {
        self.skipped = missing;
        self
    }
}

/// What a contender showed.
#[derive(Debug, Clone)]
pub struct Shown {
    pub name: String,
    /// A number for each figure, for each turn.
    pub turns: Vec<Vec<f64>>,
    /// Why there is none.
    pub skipped: Option<String>,
    /// What went wrong.
    pub failed: Option<String>,
}

/// A contest's figures, and what everybody showed.
#[derive(Debug, Clone)]
pub struct Standing {
    pub figures: Vec<Figure>,
    /// Those that the others are compared with, by their place.
    pub references: Vec<usize>,
    pub shown: Vec<Shown>,
}

/// Everybody's turn in every round, beginning with another one each time.
#[expect(clippy::print_stderr, reason = "how far it is")]
pub fn hold(rounds: usize, figures: Vec<Figure>, references: &[usize], contenders: &[Contender]) -> Standing {
    let unshown = |contender: &Contender| Shown {
        name: contender.name.clone(),
        turns: Vec::new(),
        skipped: contender.skipped.clone(),
        failed: None,
    };
    let mut shown: Vec<Shown> = contenders.iter().map(unshown).collect();
    for round in 0..rounds {
        for place in 0..contenders.len() {
            let who = (round + place) % contenders.len();
            let (contender, shown) = (&contenders[who], &mut shown[who]);
            if shown.skipped.is_some() || shown.failed.is_some() {
                continue;
            }
            match (contender.turn)() {
                Ok(numbers) => {
                    let said: Vec<String> = numbers.iter().map(|number| format!("{number:.1}")).collect();
                    eprintln!("  round {} {}: {}", round + 1, contender.name, said.join(", "));
                    shown.turns.push(numbers);
                }
                Err(error) => {
                    eprintln!("  round {} {}: FAILED: {error}", round + 1, contender.name);
                    shown.failed = Some(error.to_string());
                }
            }
        }
    }
    Standing { figures, references: references.to_vec(), shown }
}
