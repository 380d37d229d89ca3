//! Tables for people: columns as wide as what is in them, two spaces between, nothing drawn.

use super::sanitise;

/// A table. What is in a cell is made safe to show.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    right: Vec<usize>,
}

impl Table {
    /// With these heads, of which those at the places of `right` stand over numbers.
    pub(crate) fn new(heads: &[&str], right: &[usize]) -> Self {
        Self { rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()], right: right.to_vec() }
    }

    /// One row more.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| sanitise::word(&cell).into_owned()).collect());
    }

    /// Line by line. No line ends with a space.
    pub(crate) fn show(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<_> = (0..columns).map(width).collect();
        let mut shown = String::new();
        for row in &self.rows {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                if self.right.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            shown.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            shown.push('\n');
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let mut table = Table::new(&["LOGIN", "WAITING", "NOTE"], &[1]);
        table.row(["ann".to_owned(), "12".to_owned(), String::new()]);
        table.row(["bartholomäus".to_owned(), "1000000000".to_owned(), "\u{1b}[2J".to_owned()]);
        insta::assert_snapshot!(table.show(), @r"
        LOGIN            WAITING  NOTE
        ann                   12
        bartholomäus  1000000000  ␛[2J
        ");
    }
}
