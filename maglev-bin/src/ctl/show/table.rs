//! Columns: no borders, two blanks between them.

use std::fmt;

use comfy_table::CellAlignment;
use comfy_table::presets::NOTHING;

use super::style::{Tone, clean};

/// Rows of cells that stand below each other. `Display` ends in a newline, but for a table without rows, which is nothing.
#[derive(Clone)]
pub(crate) struct Table {
    table: comfy_table::Table,
    right: Vec<bool>,
}

/// A text in a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// A cell with `text` in one line and without control characters.
pub(crate) fn cell(text: impl fmt::Display) -> Cell {
    Cell { text: clean(&text.to_string()).into_owned(), tone: Tone::Plain }
}

impl Cell {
    pub(crate) fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        cell(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        cell(text)
    }
}

impl Table {
    /// Columns with headings. Where a heading begins with `>` the column is aligned to the right.
    pub(crate) fn new<const N: usize>(headings: [&str; N]) -> Self {
        let right = headings.map(|heading| heading.starts_with('>'));
        let mut table = Self::bare(right);
        let headings =
            headings.map(|heading| Tone::Faint.dress(comfy_table::Cell::new(heading.trim_start_matches('>'))));
        table.table.set_header(headings);
        table
    }

    /// Columns without headings, each aligned to the right or not.
    pub(crate) fn bare<const N: usize>(right: [bool; N]) -> Self {
        // The stream decides about colours, not what NO_COLOR says to one of its sources.
        crossterm::style::force_color_output(true);
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).force_no_tty().enforce_styling().style_text_only();
        Self { table, right: right.into() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        let dress = |Cell { text, tone }: Cell| {
            // Styles around nothing would be more than blanks at the end of a line.
            let tone = if text.is_empty() { Tone::Plain } else { tone };
            tone.dress(comfy_table::Cell::new_owned(text))
        };
        self.table.add_row(cells.map(dress));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.row_count() == 0
    }

    /// The lines, that of the headings first.
    pub(crate) fn lines(&self) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut table = self.table.clone();
        for (column, right) in table.column_iter_mut().zip(&self.right) {
            column.set_padding((0, 2));
            column.set_cell_alignment(if *right { CellAlignment::Right } else { CellAlignment::Left });
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// The lines with two blanks before each.
pub(crate) fn indented(table: &Table) -> String {
    table.lines().iter().map(|line| format!("  {line}\n")).collect()
}

/// Names and values below each other; what is empty is left out.
pub(super) fn facts(facts: impl IntoIterator<Item = (&'static str, Cell)>) -> Table {
    let mut table = Table::bare([false, false]);
    for (name, value) in facts {
        if !value.text.is_empty() {
            table.row([cell(name).tone(Tone::Faint), value]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;

    #[test]
    fn columns_are_aligned_with_two_blanks_between_them_and_none_at_the_end() {
        let mut table = Table::new(["backend", "state", ">weight"]);
        table.row(["web0".into(), cell("up").tone(Tone::Good), cell(100)]);
        table.row(["größer".into(), cell("unknown").tone(Tone::Doubt), cell(7)]);
        table.row(["x".into(), "a\nb".into(), "".into()]);
        let text = table.to_string();
        assert_eq!(
            strip_str(&text).to_string(),
            "backend  state    weight\nweb0     up          100\ngrößer   unknown       7\nx        a\\nb\n"
        );
        assert!(text.contains("\u{1b}["), "{text:?}");
    }

    #[test]
    fn a_table_without_rows_is_nothing() {
        assert_eq!(Table::new(["backend"]).to_string(), "");
    }
}
