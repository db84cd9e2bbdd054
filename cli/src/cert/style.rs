//! Colours, where the other end shows them.

use std::io::IsTerminal;

use everpost::Status;

use crate::terminal;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    colours: bool,
}

impl Style {
    pub(super) fn of(stream: &impl IsTerminal) -> Self {
        Style { colours: terminal::colours(stream) }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(super) fn status(self, status: Status, text: &str) -> String {
        self.paint(
            match status {
                Status::Healthy => "32",
                Status::Degraded => "33",
                Status::Unhealthy => "31;1",
            },
            text,
        )
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
