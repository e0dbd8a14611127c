//! What a misspelt key was probably meant to be.

use super::keys::{Found, KEYS, find};

/// The known key or table that `segments` probably mean: the same way with a slip of the pen in
/// it, or the right name in the wrong table.
pub fn nearest(segments: &[&str]) -> Option<String> {
    let candidates = ways(segments);
    candidates
        .iter()
        .filter_map(|way| Some((slips(segments, way)?, way)))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, way)| way)
        .or_else(|| candidates.iter().find(|way| way.last().map(String::as_str) == segments.last().copied()))
        .map(|way| way.join("."))
}

/// The names known in the deepest known table on the way of `segments`.
pub fn siblings(segments: &[&str]) -> Vec<String> {
    let known = (0..segments.len()).rev().find(|&depth| matches!(find(&segments[..depth]), Found::Table)).unwrap_or(0);
    let mut names: Vec<String> = Vec::new();
    for way in ways(segments).into_iter().filter(|way| way.len() > known && way[..known] == segments[..known]) {
        if !names.contains(&way[known]) {
            names.push(way[known].clone());
        }
    }
    names
}

/// Every known key and table; the names of a folder and of a column are taken over from `segments`, if there are any.
fn ways(segments: &[&str]) -> Vec<Vec<String>> {
    let mut ways: Vec<Vec<String>> = Vec::new();
    for key in KEYS {
        let steps: Vec<&str> = key.path.split('.').collect();
        // A name at the end is a column's, where the table before it is meant.
        let is_column = |depth: usize, name: &str| {
            depth + 1 == steps.len() && name != "?" && similar(segments[depth - 1], steps[depth - 1])
        };
        let name_at = |depth: usize| {
            segments.get(depth).copied().filter(|name| segments.len() > depth + 1 || is_column(depth, name))
        };
        let way: Vec<String> = steps
            .iter()
            .enumerate()
            .map(|(depth, &known)| if known == "*" { name_at(depth).unwrap_or("NAME") } else { known }.to_owned())
            .collect();
        for depth in 1..=way.len() {
            if !ways.iter().any(|known| known[..] == way[..depth]) {
                ways.push(way[..depth].to_vec());
            }
        }
    }
    ways
}

/// How many slips of the pen lead from `typed` to `known`; `None` if they are too many in any name.
fn slips(typed: &[&str], known: &[String]) -> Option<usize> {
    if typed.len() != known.len() {
        return None;
    }
    typed.iter().zip(known).try_fold(0, |sum, (typed, known)| Some(sum + slips_in(typed, known)?))
}

/// Whether one name may be a misspelling of the other.
pub fn similar(typed: &str, known: &str) -> bool {
    slips_in(typed, known).is_some()
}

/// One slip in a short name, one in every three characters of a longer one.
fn slips_in(typed: &str, known: &str) -> Option<usize> {
    let slips = strsim::osa_distance(typed, known);
    let slips_max = (typed.chars().count().max(known.chars().count()) / 3).max(1);
    (slips <= slips_max).then_some(slips)
}
