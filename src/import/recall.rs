//! Rows that the database refused, of a file whose rows were kept: their texts were not, and the file is read again.

use std::collections::VecDeque;

use super::rows::Sink;
use super::value::Value;
use crate::fault::{Fault, Reason};

/// Finds the texts of refused rows, and hands them on as rejects; nothing else.
pub struct Recall<'s, S: ?Sized> {
    /// By their place among the rows that fit, in order.
    refused: VecDeque<(u64, Reason)>,
    /// The place of the next row.
    place: u64,
    /// Whether the row in hand is one of them.
    is_found: bool,
    rejects: &'s mut S,
}

impl<'s, S: Sink + ?Sized> Recall<'s, S> {
    /// These rows, to go there.
    pub fn new(refused: VecDeque<(u64, Reason)>, rejects: &'s mut S) -> Self {
        Self { refused, place: 0, is_found: false, rejects }
    }
}

impl<S: Sink + ?Sized> Sink for Recall<'_, S> {
    fn cell(&mut self, _: Value<'_>) -> Result<(), Fault> {
        Ok(())
    }

    fn row(&mut self, _: u64) -> Result<Option<Box<Reason>>, Fault> {
        let found = self.refused.pop_front_if(|(place, _)| *place == self.place);
        self.place += 1;
        self.is_found = found.is_some();
        Ok(found.map(|(_, reason)| Box::new(reason)))
    }

    fn reject(&mut self, reason: &Reason, record: &str) -> Result<(), Fault> {
        // The others were kept, and went there with the rows.
        if std::mem::take(&mut self.is_found) { self.rejects.reject(reason, record) } else { Ok(()) }
    }
}
