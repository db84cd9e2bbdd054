//! How a ladder looks: at most 100 columns, colours on a terminal only.

use everpost::diagnose::{DiagnosisReport, Outcome, Rung};

use crate::terminal;

const COLUMNS: usize = 100;

/// Turns reports into lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    colours: bool,
}

impl View {
    pub(crate) fn of_stdout() -> Self {
        View { colours: terminal::colours(&std::io::stdout()) }
    }

    pub(super) fn rung(self, rung: &Rung) -> String {
        let line = cut(&harmless(&rung.to_string()), COLUMNS - 2);
        let mark = rung.outcome.mark();
        let colour = match rung.outcome {
            Outcome::Held => "32",
            Outcome::Failed => "31;1",
            Outcome::Skipped => return format!("  {}", self.paint("2", line.trim_end())),
        };
        let rest = line.strip_prefix(mark).unwrap_or(&line);
        format!("  {}{rest}", self.paint(colour, &mark.to_string()))
    }

    /// What follows the ladder: notes, cause and remedy.
    pub(super) fn ending(self, report: &DiagnosisReport) -> Vec<String> {
        let mut lines = vec![String::new()];
        for note in &report.notes {
            lines.extend(self.labelled("33", note.severity.as_str(), &note.message));
            lines.extend(self.labelled("", "", note.remedy()));
        }
        match &report.cause {
            None => lines.push(self.paint("32", "every rung holds")),
            Some(cause) => lines.extend(self.labelled("31;1", "cause", &cause.message)),
        }
        if let Some(remedy) = &report.remedy {
            lines.extend(self.labelled("1", "remedy", remedy));
        }
        lines
    }

    /// A label, and text beside it in as many lines as it takes.
    pub(crate) fn labelled(self, colour: &str, label: &str, text: &str) -> Vec<String> {
        const INDENT: usize = 11;
        let mut lines = wrap(&harmless(text), COLUMNS - INDENT).into_iter();
        let first = lines.next().unwrap_or_default();
        let label = format!(
            "{:<INDENT$}",
            if label.is_empty() { String::new() } else { format!("{label}:") }
        );
        let mut all = vec![format!("{}{first}", self.paint(colour, &label))];
        all.extend(lines.map(|line| format!("{:INDENT$}{line}", "")));
        all
    }

    fn paint(self, colour: &str, text: &str) -> String {
        match self.colours && !colour.is_empty() {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// Text without what would move the cursor or turn the line around: some of it
/// comes from the other side.
pub(crate) fn harmless(text: &str) -> String {
    let turns = |char: char| matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let safe = |char: char| match char.is_control() || turns(char) {
        true => char::REPLACEMENT_CHARACTER,
        false => char,
    };
    text.chars().map(safe).collect()
}

/// The first so many characters, with an ellipsis if there were more.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// Lines of so many characters, broken between words where that is possible.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if used > 0 && used + 1 + word.len() > columns {
            lines.push(std::mem::take(&mut line));
            used = 0;
        } else if used > 0 {
            line.push(' ');
            used += 1;
        }
        while word.len() > columns {
            lines.push(word.drain(..columns).collect());
        }
        used += word.len();
        line.extend(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_never_wider_than_asked_for() {
        assert_eq!(wrap("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 5), [""]);
        let text = "one two three four five six seven eight";
        assert_eq!(wrap(text, 9).join(" "), text);
        assert!(wrap(text, 9).iter().all(|line| line.chars().count() <= 9));
    }

    #[test]
    fn what_a_server_says_can_neither_move_the_cursor_nor_turn_the_line() {
        assert_eq!(harmless("a\x1b[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
    }

    #[test]
    fn a_long_line_is_cut_at_its_end() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
