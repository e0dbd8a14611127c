//! What a table says beyond its columns' types, for somebody who only looks.

use std::collections::HashMap;

/// How a column is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Its type, as it stands in the declaration.
    pub kind: String,
    /// Computed by the database.
    pub generated: bool,
}

/// What a table says.
#[derive(Debug)]
pub struct Contract {
    /// Its columns by their names in lower case.
    pub columns: HashMap<String, Declared>,
    /// Whether a key, a CHECK, a NOT NULL, a reference, an expression or a trigger may refuse a row that has the right types.
    pub has_constraints: bool,
    /// Whether there are values of which only the database knows whether it reads them.
    pub reads_itself: bool,
}
