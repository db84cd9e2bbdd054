//! Text in columns, on terminals and elsewhere.

use std::fmt;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How a part of a line looks.
#[derive(Clone, Copy)]
pub(super) enum Style {
    Plain,
    Bold,
    Dim,
    Good,
    Odd,
    Bad,
}

/// Colours, where there are colours.
#[derive(Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    pub(super) fn text(self, style: Style, text: impl fmt::Display) -> String {
        let code = match style {
            Style::Plain => "",
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Good => "32",
            Style::Odd => "33",
            Style::Bad => "31;1",
        };
        if self.0 && !code.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }
}

/// Columns that text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Text with what moves the cursor or turns the line around taken out: it may
/// come from the other side.
pub(super) fn harmless(text: &str) -> String {
    let turns = |char: char| matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let safe = |char: char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char };
    text.chars().filter(|char| !turns(*char)).map(safe).collect()
}

/// Breaks text into lines of so many columns, between words where it can.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        if used > 0 {
            if used + 1 + width(word) <= columns {
                push(&mut lines, " ");
                used += 1;
            } else {
                lines.push(String::new());
                used = 0;
            }
        }
        for char in word.chars() {
            let more = char.width().unwrap_or(0);
            if used + more > columns && used > 0 {
                lines.push(String::new());
                used = 0;
            }
            push(&mut lines, char.encode_utf8(&mut [0; 4]));
            used += more;
        }
    }
    lines
}

fn push(lines: &mut [String], text: &str) {
    if let Some(last) = lines.last_mut() {
        last.push_str(text);
    }
}

/// Fills up with spaces to so many columns.
pub(super) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words_and_inside_only_of_those_too_long() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a 0123456789 b", 5), ["a", "01234", "56789", "b"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("証明書 証明書", 7), ["証明書", "証明書"], "two columns each");
        assert_eq!(padded("証明", 6), "証明  ");
    }

    #[test]
    fn nothing_of_the_other_side_steers_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\u{202e}c\u{9b}"), "a\u{fffd}[2Jbc\u{fffd}");
    }
}
