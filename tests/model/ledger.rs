//! The ledger and the target: what of them is durable, and what a power cut may take away.

use crate::disk::Name;

/// `ledger::State`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    Deferred,
    Committed,
    Archived,
    Duplicate,
    Quarantined,
}

/// What is known of a number. A file's identity is which file it is, and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Row {
    pub number: u8,
    pub file: u8,
    pub version: u8,
    pub name: Name,
    pub state: State,
    pub attempts: u8,
    /// Its place is entered: it lies where it stays.
    pub is_placed: bool,
}

/// One state of the ledger's file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Page {
    /// By number.
    rows: Vec<Row>,
    /// Numbers below this one are reserved.
    reserved: u8,
}

impl Page {
    pub fn by_number(&self, number: u8) -> Option<Row> {
        self.rows.iter().find(|row| row.number == number).copied()
    }

    /// `schema::BY_IDENTITY`
    pub fn by_identity(&self, file: u8, version: u8) -> Option<Row> {
        self.rows.iter().rfind(|row| (row.file, row.version) == (file, version)).copied()
    }

    /// `schema::UNPLACED`
    pub fn unplaced(&self, state: State) -> Vec<Row> {
        self.rows.iter().filter(|row| row.state == state && !row.is_placed).copied().collect()
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// `Entry::write`
    pub fn enter(&mut self, row: Row) {
        match self.rows.iter_mut().find(|known| known.number == row.number) {
            Some(known) => *known = row,
            None => self.rows.push(row),
        }
        self.rows.sort_by_key(|row| row.number);
    }

    /// `schema::ARCHIVED`, and with `only_unplaced` `schema::FOUND_ARCHIVED`.
    pub fn archived(&mut self, number: u8, only_unplaced: bool) {
        let rows = self.rows.iter_mut().filter(|row| row.number == number && !(only_unplaced && row.is_placed));
        for row in rows {
            row.is_placed = true;
            if row.state != State::Duplicate {
                row.state = State::Archived;
            }
        }
    }

    /// `ids::reserve`: the first of a block.
    pub fn reserve(&mut self, count: u8) -> u8 {
        self.reserved += count;
        self.reserved - count
    }

    /// `ids::skip_past`
    pub fn skip_past(&mut self, number: u8) {
        self.reserved = self.reserved.max(number + 1);
    }
}

/// `ledger::Durability`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    Flushed,
    Lazy,
}

/// A write-ahead log keeps its order: a power cut takes a tail, never a hole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// The durable page first, the present one last.
    pages: Vec<Page>,
}

impl Ledger {
    pub fn new() -> Self {
        Self { pages: vec![Page::default()] }
    }

    pub fn now(&self) -> &Page {
        self.pages.last().expect("there is always a page")
    }

    /// `Ledger::write`: one transaction.
    pub fn write<T>(&mut self, durability: Durability, story: impl FnOnce(&mut Page) -> T) -> T {
        let mut page = self.now().clone();
        let told = story(&mut page);
        if durability == Durability::Flushed {
            self.pages.clear();
        }
        if self.pages.last() != Some(&page) {
            self.pages.push(page);
        }
        told
    }

    /// How many states a power cut may leave.
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    pub fn cut(&mut self, page: usize) {
        self.pages = vec![self.pages[page].clone()];
    }
}

/// `import::marker::Marker`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Marker {
    pub number: u8,
    pub file: u8,
    pub version: u8,
    pub name: Name,
}

/// The target. Its transactions are durable when they return.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Target {
    pub markers: Vec<Marker>,
    /// One for each set of rows, with the number that they carry.
    pub rows: Vec<Marker>,
}

impl Target {
    /// `marker::by_identity`
    pub fn marker(&self, file: u8, version: u8) -> Option<Marker> {
        self.markers
            .iter()
            .filter(|marker| (marker.file, marker.version) == (file, version))
            .max_by_key(|m| m.number)
            .copied()
    }
}
