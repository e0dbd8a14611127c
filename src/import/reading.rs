//! How the cells of one column of a file become values: by its type in the table, and as the settings say.

use std::fmt::Write;

use super::bounds::Bounds;
use super::record::Cell;
use super::table::Table;
use super::value::{Type, Value};
use super::{literal, shown};
use crate::fault::Reason;
use crate::pattern::Moment;
use crate::settings::{self, Column};

/// How one column is read.
#[derive(Debug, Clone)]
pub struct Reading {
    kind: Type,
    bounds: Bounds,
    /// `None`: as its type says.
    declared: Option<Box<Declared>>,
}

/// What the settings say.
#[derive(Debug, Clone)]
struct Declared {
    /// `None`: nothing of this column.
    column: Option<Column>,
    decimal_comma: bool,
}

impl Reading {
    /// Of the column with this name, into one of this type.
    pub fn new(name: &str, kind: Type, settings: &settings::Import) -> Self {
        let column = settings.columns.get(name).cloned();
        let decimal_comma = settings.decimal_comma;
        let has_comma = decimal_comma && matches!(kind, Type::Real | Type::Number | Type::Decimal);
        let declared = (column.is_some() || has_comma).then(|| Box::new(Declared { column, decimal_comma }));
        Self { kind, bounds: Bounds::Open, declared }
    }

    /// The same, into a column with these bounds.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Of a column that the settings declare, before there is a table.
    pub fn declared(name: &str, settings: &settings::Import) -> Option<Self> {
        settings.columns.get(name).map(|column| Self::new(name, made_for(column), settings))
    }

    /// The value of this cell. `None`: it isn't one; [`Self::misfit`] says why.
    #[inline]
    pub fn read<'v>(&self, cell: Cell<'v>, scratch: &'v mut String) -> Option<Value<'v>> {
        self.of_kind(cell, scratch).filter(|value| self.bounds.misfit(*value).is_none())
    }

    /// The same whatever the column's bounds.
    #[inline]
    fn of_kind<'v>(&self, cell: Cell<'v>, scratch: &'v mut String) -> Option<Value<'v>> {
        match &self.declared {
            None => self.kind.read(cell),
            Some(declared) => declared.read(self.kind, cell, scratch),
        }
    }

    /// Why [`Self::read`] found no value in this cell.
    pub fn misfit(&self, cell: Cell<'_>) -> Reason {
        let beyond = self.of_kind(cell, &mut String::new()).and_then(|value| self.bounds.misfit(value));
        beyond.unwrap_or_else(|| self.not_of_kind(cell))
    }

    fn not_of_kind(&self, cell: Cell<'_>) -> Reason {
        let misfit = |cell| self.kind.misfit(cell);
        let Some(declared) = &self.declared else { return misfit(cell) };
        if declared.column.is_none() && !matches!(cell, Cell::Field(_)) {
            return misfit(cell);
        }
        let text = shown::value(cell.text().unwrap_or_default());
        let with_comma = declared.decimal_comma && matches!(cell, Cell::Field(_) | Cell::String(_));
        match (declared.normal(cell, &mut String::new()), &declared.column) {
            (Some(normal), _) => misfit(Cell::Field(normal)),
            (None, Some(Column::Date(Some(pattern)) | Column::Timestamp(Some(pattern)))) => {
                let text =
                    format!("{text} is not of the form {}, or there is no such time", shown::name(pattern.text()));
                Reason::new("wrong_type", text)
            }
            (None, None | Some(Column::Decimal | Column::Real)) if with_comma => {
                Reason::new("wrong_type", format!("{text} is not a number with a decimal comma (12 or 12,50)"))
            }
            (None, Some(column)) => {
                let kind = made_for(column);
                let cell = if let Cell::Nested(_) = cell { cell } else { Cell::Field(cell.text().unwrap_or_default()) };
                kind.misfit(cell)
            }
            (None, None) => misfit(cell),
        }
    }
}

impl Declared {
    fn read<'v>(&self, kind: Type, cell: Cell<'v>, scratch: &'v mut String) -> Option<Value<'v>> {
        match cell {
            Cell::Null => Some(Value::Null),
            Cell::Field(_) => kind.read(Cell::Field(self.normal(cell, scratch)?)),
            _ if self.column.is_some() => kind.read(Cell::Field(self.normal(cell, scratch)?)),
            _ => kind.read(cell),
        }
    }

    /// The cell's text as its type is written everywhere. `None`: it isn't of that type.
    fn normal<'v>(&self, cell: Cell<'v>, scratch: &'v mut String) -> Option<&'v str> {
        let text = cell.text()?;
        let comma = self.decimal_comma && matches!(cell, Cell::Field(_) | Cell::String(_));
        let Some(column) = &self.column else {
            return if comma { with_point(text, scratch) } else { Some(text) };
        };
        if matches!(cell, Cell::Nested(_)) && *column != Column::Text {
            return None;
        }
        match column {
            Column::Text => Some(text),
            Column::Integer => literal::integer(text).map(|_| text),
            Column::Decimal | Column::Real => {
                let text = if comma { with_point(text, scratch)? } else { text };
                let fits =
                    if *column == Column::Real { literal::number(text).is_some() } else { literal::is_decimal(text) };
                fits.then_some(text)
            }
            Column::Boolean => (matches!(text, "0" | "1") || literal::boolean(text).is_some()).then_some(text),
            Column::Date(None) => literal::is_date(text).then_some(text),
            Column::Timestamp(None) => literal::is_timestamp(text).then_some(text),
            Column::Date(Some(pattern)) => {
                let day = pattern.day(text)?;
                written(scratch, |text| write!(text, "{day}").ok())
            }
            Column::Timestamp(Some(pattern)) => {
                let moment = pattern.moment(text)?;
                written(scratch, |text| write_moment(moment, text))
            }
        }
    }
}

/// A number with a decimal comma, with a point.
fn with_point<'v>(text: &'v str, scratch: &'v mut String) -> Option<&'v str> {
    if text.contains('.') {
        return None;
    }
    let Some((whole, fraction)) = text.split_once(',') else { return Some(text) };
    written(scratch, |text| {
        text.extend([whole, ".", fraction]);
        Some(())
    })
}

/// `2026-11-22 03:04:05.5+01:00`; `None`: no offset is written to the second.
fn write_moment(moment: Moment, text: &mut String) -> Option<()> {
    let Moment { at, offset } = moment;
    write!(text, "{} {}", at.date(), at.time()).ok()?;
    let Some(seconds) = offset.map(jiff::tz::Offset::seconds) else { return Some(()) };
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    (seconds % 60 == 0).then_some(())?;
    write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60).ok()
}

fn written(scratch: &mut String, write: impl FnOnce(&mut String) -> Option<()>) -> Option<&str> {
    scratch.clear();
    write(scratch)?;
    Some(scratch)
}

/// What a column must hold that the settings declare so.
pub fn made_for(column: &Column) -> Type {
    match column {
        Column::Text => Type::Text,
        Column::Integer => Type::Integer,
        Column::Decimal => Type::Decimal,
        Column::Real => Type::Real,
        Column::Boolean => Type::Boolean,
        Column::Date(_) => Type::Date,
        Column::Timestamp(None) => Type::Moment,
        Column::Timestamp(Some(pattern)) if pattern.has_offset() => Type::Instant,
        Column::Timestamp(Some(_)) => Type::Timestamp,
    }
}

/// Whether the table has a place for what the settings say of its columns.
pub fn check(table: &Table, settings: &settings::Import) -> Result<(), Reason> {
    for column in table.columns() {
        let Some(kind) = settings.columns.get(&column.name).map(made_for) else { continue };
        // One that no file can fill refuses those that have a value for it.
        if column.kind != Type::Unfillable && !column.kind.holds(kind) {
            let text = format!(
                "the column {} of the table {} holds {}, and import.columns makes it {}",
                shown::value(&column.name),
                shown::value(table.name()),
                column.kind.plural(),
                kind.plural(),
            );
            let hint = "alter the table (TEXT takes all), or import.columns";
            return Err(Reason::new("other_type", text).hint(hint));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(kind: Type, declared: &str, decimal_comma: bool) -> Reading {
        let column = (!declared.is_empty()).then(|| ("a", Column::of(declared).unwrap()));
        let columns = column.into_iter().collect();
        Reading::new("A", kind, &settings::Import { columns, decimal_comma, ..settings::Import::into_table("t") })
    }

    fn read(reading: &Reading, cell: Cell<'_>) -> Result<String, String> {
        match reading.read(cell, &mut String::from("what was there before")) {
            Some(value) => Ok(format!("{value:?}")),
            None => Err(reading.misfit(cell).to_string()),
        }
    }

    #[test]
    fn a_declared_column_is_written_the_same_everywhere() {
        for (kind, declared, comma, text, expected) in [
            (Type::Decimal, "decimal", false, "12.50", r#"Text("12.50")"#),
            (Type::Decimal, "decimal", true, "-12,50", r#"Text("-12.50")"#),
            (Type::Text, "decimal", true, "12,50", r#"Text("12.50")"#),
            (Type::Number, "decimal", true, "12,50", "Real(12.5)"),
            (Type::Real, "real", true, "1,5e3", "Real(1500.0)"),
            (Type::Integer, "integer", true, "17", "Integer(17)"),
            (Type::Boolean, "boolean", false, "TRUE", "Integer(1)"),
            (Type::Text, "text", true, "00417", r#"Text("00417")"#),
            (Type::Date, "date:%d.%m.%Y", false, "1.2.2026", r#"Text("2026-02-01")"#),
            (Type::Text, "date:%m/%d/%Y", false, "11/22/2026", r#"Text("2026-11-22")"#),
            (Type::Moment, "timestamp:%d.%m.%Y %H:%M", false, "22.11.2026 03:04", r#"Text("2026-11-22 03:04:00")"#),
            (
                Type::Moment,
                "timestamp:%F %T%.f %z",
                false,
                "2026-11-22 03:04:05.50 -0730",
                r#"Text("2026-11-22 03:04:05.5-07:30")"#,
            ),
            (Type::Instant, "timestamp:%s", false, "0", r#"Text("1970-01-01 00:00:00+00:00")"#),
            (Type::Moment, "timestamp", false, "2026-11-22T03:04:05Z", r#"Text("2026-11-22T03:04:05Z")"#),
            (Type::Real, "", true, "12,5", "Real(12.5)"),
            (Type::Number, "", true, "12", "Integer(12)"),
            (Type::Text, "", true, "12,5", r#"Text("12,5")"#),
        ] {
            let read = read(&reading(kind, declared, comma), Cell::Field(text));
            assert_eq!(read.as_deref(), Ok(expected), "{declared}: {text}");
        }
    }

    #[test]
    fn a_value_that_is_not_of_its_declared_column_says_why() {
        for (kind, declared, comma, text, why) in [
            (Type::Decimal, "decimal", false, "12,50", r#""12,50" is not a decimal number (12 or 12.50)"#),
            (Type::Decimal, "decimal", true, "12.50", r#""12.50" is not a number with a decimal comma (12 or 12,50)"#),
            (Type::Text, "decimal", true, "1.000,5", r#""1.000,5" is not a number with a decimal comma (12 or 12,50)"#),
            (Type::Real, "", true, "1.5", r#""1.5" is not a number with a decimal comma (12 or 12,50)"#),
            (
                Type::Text,
                "integer",
                false,
                "00417",
                r#""00417" is not a plain integer: its leading zero would be lost"#,
            ),
            (Type::Text, "boolean", false, "yes", r#""yes" is not a boolean (true, false, 1 or 0)"#),
            (
                Type::Date,
                "date:%d.%m.%Y",
                false,
                "30.02.2026",
                r#""30.02.2026" is not of the form %d.%m.%Y, or there is no such time"#,
            ),
            (Type::Text, "date", false, "30.02.2026", r#""30.02.2026" is not a date (YYYY-MM-DD, a day that exists)"#),
            (
                Type::Number,
                "decimal",
                false,
                "1234567890.1234567",
                r#""1234567890.1234567" has more digits than a number keeps"#,
            ),
        ] {
            let read = read(&reading(kind, declared, comma), Cell::Field(text));
            assert_eq!(read.unwrap_err(), why, "{declared}: {text}");
        }
    }

    #[test]
    fn what_is_declared_holds_for_json_too() {
        let decimal = reading(Type::Decimal, "decimal", true);
        assert_eq!(read(&decimal, Cell::String("12,50")).as_deref(), Ok(r#"Text("12.50")"#));
        assert_eq!(read(&decimal, Cell::Number("12.50")).as_deref(), Ok(r#"Text("12.50")"#));
        assert_eq!(read(&decimal, Cell::Null).as_deref(), Ok("Null"));
        assert_eq!(
            read(&decimal, Cell::Nested("[1]")).unwrap_err(),
            r#"the JSON value "[1]" is not a decimal number (12 or 12.50)"#
        );
        assert!(read(&decimal, Cell::Number("1e5")).is_err() && read(&decimal, Cell::Boolean("true")).is_err());
        let text = reading(Type::Text, "text", false);
        assert_eq!(read(&text, Cell::Nested("[1]")).as_deref(), Ok(r#"Text("[1]")"#));
        let undeclared = reading(Type::Real, "", true);
        assert_eq!(read(&undeclared, Cell::Number("12.5")).as_deref(), Ok("Real(12.5)"));
        assert_eq!(
            read(&undeclared, Cell::String("12,5")).unwrap_err(),
            r#"the JSON string "12,5" is not a real number"#
        );
    }
}
