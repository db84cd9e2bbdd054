//! The grid, as it is printed and as `docs/matrix.md` shows it.

use std::fmt;

use crate::data::Matrix;
use crate::run::{Run, Seen, Variant};

/// Where the grid is shown.
const PAGE: &str = "docs/matrix.md";

/// Runs that went wrong and are listed.
const LISTED: usize = 20;

/// A cell of the grid.
#[derive(Clone, Debug, Default)]
struct Square {
    /// What its plain runs came to.
    outcome: Option<String>,
    wrong: bool,
}

#[derive(Debug)]
pub struct Grid {
    titles: Vec<String>,
    rows: Vec<(String, Vec<Square>)>,
    wrong: Vec<String>,
}

impl Grid {
    pub fn new(matrix: &Matrix, results: &[(Run, Seen)]) -> Self {
        let titles: Vec<_> = matrix.columns.iter().map(|column| column.title.clone()).collect();
        let mut rows: Vec<_> = matrix
            .rows
            .iter()
            .map(|row| (row.stage.clone(), vec![Square::default(); titles.len()]))
            .collect();
        let mut wrong = Vec::new();
        for (run, seen) in results {
            let (stage, squares) = &mut rows[run.cell.row];
            let square = &mut squares[run.cell.column];
            if let Some(why) = &seen.wrong {
                square.wrong = true;
                let title = &titles[run.cell.column];
                wrong.push(format!("{stage} × {title}: {run}: {why}"));
            }
            if run.variant == Variant::Plain {
                match &square.outcome {
                    Some(outcome) if *outcome != seen.outcome => {
                        square.outcome = Some("mixed".into());
                    }
                    _ => square.outcome = Some(seen.outcome.clone()),
                }
            }
        }
        Grid { titles, rows, wrong }
    }

    pub fn is_green(&self) -> bool {
        self.wrong.is_empty()
    }

    pub fn failures(&self) -> String {
        let mut text = format!("{} runs broke a promise:", self.wrong.len());
        for line in self.wrong.iter().take(LISTED) {
            text.push_str("\n- ");
            text.push_str(line.trim_end());
        }
        text
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.rows.iter().map(|(stage, _)| stage.chars().count()).max().unwrap_or(0);
        let text = |square: &Square| match (&square.outcome, square.wrong) {
            (_, true) => "BROKEN".to_owned(),
            (None, _) => "–".to_owned(),
            (Some(outcome), _) => match outcome.strip_prefix("not_sent:") {
                Some("certificate") => "not sent: cert".to_owned(),
                Some("cancelled") => "not sent".to_owned(),
                Some(kind) => format!("not sent: {kind}"),
                None => outcome.clone(),
            },
        };
        let widths: Vec<_> = (0..self.titles.len())
            .map(|column| {
                let cells = self.rows.iter().map(|(_, row)| text(&row[column]).chars().count());
                cells.chain([self.titles[column].chars().count()]).max().unwrap_or(0)
            })
            .collect();
        let mut line = |head: &str, cells: Vec<String>| {
            let mut line = format!("| {head:first$} |");
            for (cell, width) in cells.iter().zip(&widths) {
                line.push_str(&format!(" {cell:width$} |"));
            }
            writeln!(f, "{line}")
        };
        line("", self.titles.clone())?;
        line(&"-".repeat(first), widths.iter().map(|width| "-".repeat(*width)).collect())?;
        for (stage, squares) in &self.rows {
            line(stage, squares.iter().map(text).collect())?;
        }
        Ok(())
    }
}

/// The page shows the grid as it came out, and gives every reason of the file.
pub fn assert_documented(matrix: &Matrix, grid: &Grid) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
    let page = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let shown = page.contains(&grid.to_string());
    assert!(shown, "{PAGE} shows another grid than the one printed above");
    for (stage, fault, why) in matrix.reasons() {
        assert!(page.contains(why), "{PAGE} does not say of {stage} {fault}: {why}");
    }
    for (row, column, why) in matrix.cells(0).1 {
        let (stage, fault) = (&matrix.rows[row].stage, &matrix.columns[column].title);
        assert!(page.contains(why), "{PAGE} does not say why {stage} × {fault} is empty: {why}");
    }
}
