use proptest::prelude::*;

use super::*;

const TO: [&str; 1] = ["a@x"];
const GO: &str = "250 sender ok\n250 recipient ok\n354 go\n";

fn plan(to: &[&str], content: Content, require_all: bool) -> Plan {
    let mut plan = Plan::new(content, require_all);
    plan.buffer().extend_from_slice(b"MAIL FROM:<me@x>\r\n");
    plan.end_command();
    for address in to {
        plan.buffer().extend_from_slice(format!("RCPT TO:<{address}>\r\n").as_bytes());
        plan.end_command();
    }
    plan
}

/// A conversation with a hand to write for it and one to answer.
struct Talk(Conversation);

impl Talk {
    fn new(pipelining: bool) -> Self {
        Talk(Conversation::new(pipelining))
    }

    fn begin(&mut self, to: &[&str]) -> TransactionId {
        self.0.begin(plan(to, Content::Data, false))
    }

    /// Everything there is to write, as one flight.
    fn flight(&mut self) -> String {
        let bytes = self.0.next_write().to_vec();
        self.0.wrote(bytes.len());
        String::from_utf8(bytes).unwrap()
    }

    fn says(&mut self, lines: &str) -> Result<(), Broken> {
        self.0.receive(lines.replace('\n', "\r\n").as_bytes())
    }

    fn append(&mut self, content: &str) {
        let mut buffer = self.0.lend_buffer();
        buffer.extend_from_slice(content.as_bytes());
        self.0.return_buffer(buffer, content.len());
    }

    fn content(&mut self, content: &str) {
        self.append(content);
        self.0.end_content().unwrap();
    }

    fn outcome(&mut self) -> Option<Outcome> {
        self.0.next_outcome().map(|(_, outcome)| outcome)
    }

    /// Up to the end-of-data being written.
    fn sent(pipelining: bool) -> (Self, TransactionId) {
        let mut talk = Talk::new(pipelining);
        let id = talk.begin(&TO);
        for line in GO.split_inclusive('\n') {
            talk.flight();
            talk.says(line).unwrap();
        }
        talk.content("hello\r\n");
        talk.flight();
        (talk, id)
    }
}

fn refused_at(outcome: Option<Outcome>) -> (Stage, u16) {
    match outcome {
        Some(Outcome::Refused { stage, reply, .. }) => (stage, reply.code()),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn accepted(outcome: Option<Outcome>) -> Vec<u16> {
    match outcome {
        Some(Outcome::Accepted { recipients, .. }) => recipients.iter().map(Reply::code).collect(),
        other => panic!("expected acceptance, got {other:?}"),
    }
}

#[test]
fn with_pipelining_a_message_is_two_flights() {
    let mut talk = Talk::new(true);
    talk.begin(&["a@x", "b@x"]);
    let envelope = "MAIL FROM:<me@x>\r\nRCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n";
    assert_eq!(talk.flight(), envelope);
    talk.says("250 1\n250 2\n550 no\n354 go\n").unwrap();
    talk.content("hello\r\n");
    assert_eq!(talk.flight(), "hello\r\n.\r\n");
    assert!(talk.outcome().is_none());
    talk.says("250 queued\n").unwrap();
    assert_eq!(accepted(talk.outcome()), [250, 550]);
    assert!(talk.0.is_clean());
}

#[test]
fn without_pipelining_every_command_waits_for_its_reply() {
    let mut talk = Talk::new(false);
    talk.begin(&["a@x", "b@x"]);
    let flights = ["MAIL FROM:<me@x>\r\n", "RCPT TO:<a@x>\r\n", "RCPT TO:<b@x>\r\n"];
    for flight in flights {
        assert_eq!(talk.flight(), flight);
        talk.says("250 ok\n").unwrap();
    }
    assert_eq!(talk.flight(), "DATA\r\n");
    talk.says("354 go\n").unwrap();
    talk.content("");
    assert_eq!(talk.flight(), ".\r\n");
    assert!(!talk.0.can_begin(), "no chaining without PIPELINING");
    talk.says("250 queued\n").unwrap();
    assert_eq!(accepted(talk.outcome()), [250, 250]);
    assert!(talk.0.is_clean());
}

#[test]
fn an_eager_chunk_is_one_flight() {
    let mut talk = Talk::new(true);
    talk.0.begin(plan(&TO, Content::Chunk { size: 7, eager: true }, false));
    talk.content("hello\r\n");
    assert_eq!(talk.flight(), "MAIL FROM:<me@x>\r\nRCPT TO:<a@x>\r\nBDAT 7 LAST\r\nhello\r\n");
    assert!(!talk.0.can_begin(), "a second end-of-data would be unanswered");
    talk.says("250 1\n250 2\n250 queued\n").unwrap();
    assert_eq!(accepted(talk.outcome()), [250]);
    assert!(talk.0.is_clean());
}

#[test]
fn a_patient_chunk_waits_for_the_recipients() {
    let mut talk = Talk::new(true);
    talk.0.begin(plan(&TO, Content::Chunk { size: 7, eager: false }, false));
    assert_eq!(talk.flight(), "MAIL FROM:<me@x>\r\nRCPT TO:<a@x>\r\n");
    talk.says("250 1\n250 2\n").unwrap();
    talk.content("hello\r\n");
    assert_eq!(talk.flight(), "BDAT 7 LAST\r\nhello\r\n");
    talk.says("250 queued\n").unwrap();
    assert_eq!(accepted(talk.outcome()), [250]);
}

#[test]
fn a_chunk_of_another_size_than_declared_is_never_ended() {
    let mut talk = Talk::new(true);
    let id = talk.0.begin(plan(&TO, Content::Chunk { size: 8, eager: true }, false));
    talk.append("hello\r\n");
    assert_eq!(talk.0.end_content(), Err(SizeMismatch { declared: 8, actual: 7 }));
    talk.flight();
    assert_eq!(talk.0.delivery(id), Some(Delivery::NotSent));
}

#[test]
fn chained_messages_are_one_flight_each_with_one_verdict_owed() {
    let mut talk = Talk::new(true);
    talk.begin(&TO);
    talk.flight();
    talk.says(GO).unwrap();
    for round in 0..5 {
        talk.content("hello\r\n");
        assert!(talk.0.can_begin());
        talk.begin(&TO);
        assert!(!talk.0.can_begin(), "one ahead is the limit");
        let flight = talk.flight();
        let expected = "hello\r\n.\r\nMAIL FROM:<me@x>\r\nRCPT TO:<a@x>\r\nDATA\r\n";
        assert_eq!(flight, expected, "round {round}");
        assert!(talk.0.wants_content().is_none(), "content waits for the verdict before it");
        talk.says(&format!("250 queued\n{GO}")).unwrap();
        assert_eq!(accepted(talk.outcome()), [250]);
    }
}

#[test]
fn the_next_message_may_be_chained_while_the_verdict_is_awaited() {
    let (mut talk, _) = Talk::sent(true);
    assert!(talk.0.can_begin());
    let next = talk.begin(&TO);
    assert!(talk.flight().starts_with("MAIL"));
    assert_eq!(talk.0.delivery(next), Some(Delivery::NotSent));
    talk.says("250 queued\n").unwrap();
    assert_eq!(accepted(talk.outcome()), [250]);
}

#[test]
fn delivery_is_not_sent_until_the_end_of_data_is_handed_out_and_unknown_after() {
    let mut talk = Talk::new(true);
    let id = talk.begin(&TO);
    talk.flight();
    talk.says(GO).unwrap();
    talk.append("hello\r\n");
    talk.flight();
    assert_eq!(talk.0.delivery(id), Some(Delivery::NotSent), "content alone commits nothing");
    talk.content("rest\r\n");
    assert_eq!(talk.0.about_to_commit(), Some(id));
    assert_eq!(talk.0.delivery(id), Some(Delivery::NotSent));
    talk.0.next_write();
    assert_eq!(talk.0.delivery(id), Some(Delivery::Unknown));
    assert_eq!(talk.0.about_to_commit(), None);
}

#[test]
fn a_commitment_of_which_nothing_left_is_taken_back() {
    let mut talk = Talk::new(true);
    let id = talk.begin(&TO);
    talk.flight();
    talk.says(GO).unwrap();
    talk.content("hello\r\n");
    talk.0.next_write();
    talk.0.retract();
    assert_eq!(talk.0.delivery(id), Some(Delivery::NotSent));
}

#[test]
fn after_end_of_data_only_a_complete_reply_decides() {
    for (text, expected) in [
        ("451 later\n", Stage::EndOfData),
        ("554 spam\n", Stage::EndOfData),
        ("421 closing\n", Stage::EndOfData),
    ] {
        let (mut talk, id) = Talk::sent(true);
        let _ = talk.says(text);
        assert_eq!(refused_at(talk.outcome()).0, expected, "{text}");
        assert_eq!(talk.0.delivery(id), None);
    }
    for text in ["354 go\n", "199 odd\n", "600 odd\n", "25", "250-queued\n", "ok\n", "2x0 ok\n"] {
        let (mut talk, id) = Talk::sent(true);
        let _ = talk.says(text);
        assert_eq!(talk.outcome(), None, "{text}");
        assert_eq!(talk.0.delivery(id), Some(Delivery::Unknown), "{text}");
        assert!(!talk.0.is_clean());
    }
}

#[test]
fn nothing_that_is_said_after_the_conversation_broke_is_believed() {
    for text in ["250 queued\n", "554 spam\n"] {
        let mut talk = Talk::new(true);
        let id = talk.begin(&TO);
        talk.flight();
        talk.says(GO).unwrap();
        talk.content("hello\r\n");
        // In advance of the dot, and then as an answer to it.
        assert!(matches!(talk.says("250 queued\n"), Err(Broken::Unexpected(_))));
        talk.flight();
        assert!(matches!(talk.says(text), Err(Broken::Unexpected(_))), "{text}");
        assert_eq!((talk.outcome(), talk.0.delivery(id)), (None, Some(Delivery::Unknown)));
    }
}

#[test]
fn a_421_after_end_of_data_refuses_that_message_and_ends_the_session() {
    let (mut talk, _) = Talk::sent(true);
    let next = talk.begin(&TO);
    talk.flight();
    assert!(matches!(talk.says("421 bye\n"), Err(Broken::Closing(_))));
    assert_eq!(refused_at(talk.outcome()), (Stage::EndOfData, 421));
    assert_eq!(talk.0.delivery(next), Some(Delivery::NotSent));
}

#[test]
fn a_positive_reply_before_the_end_of_data_is_written_is_never_acceptance() {
    let mut talk = Talk::new(true);
    let id = talk.begin(&TO);
    talk.flight();
    talk.says(GO).unwrap();
    talk.append("hello\r\n");
    talk.flight();
    assert!(matches!(talk.says("250 queued\n"), Err(Broken::Unexpected(_))));
    assert_eq!((talk.outcome(), talk.0.delivery(id)), (None, Some(Delivery::NotSent)));

    // Queued, but not written.
    let mut talk = Talk::new(true);
    let id = talk.begin(&TO);
    talk.flight();
    talk.says(GO).unwrap();
    talk.content("hello\r\n");
    assert!(matches!(talk.says("250 queued\n"), Err(Broken::Unexpected(_))));
    assert_eq!((talk.outcome(), talk.0.delivery(id)), (None, Some(Delivery::NotSent)));

    // Handed out, but not all of it written: half, or all but the last byte.
    for missing in [5, 1] {
        let mut talk = Talk::new(true);
        let id = talk.begin(&TO);
        talk.flight();
        talk.says(GO).unwrap();
        talk.content("hello\r\n");
        let part = talk.0.next_write().len() - missing;
        talk.0.wrote(part);
        assert!(matches!(talk.says("250 queued\n"), Err(Broken::Unexpected(_))), "{missing}");
        assert_eq!((talk.outcome(), talk.0.delivery(id)), (None, Some(Delivery::Unknown)));
    }
}

#[test]
fn a_refusal_in_the_middle_of_the_content_is_a_refusal_and_ends_the_session() {
    let mut talk = Talk::new(true);
    talk.begin(&TO);
    talk.flight();
    talk.says(GO).unwrap();
    talk.append("hello\r\n");
    talk.flight();
    assert!(matches!(talk.says("552 too big\n"), Err(Broken::Interrupted(_))));
    assert_eq!(refused_at(talk.outcome()), (Stage::Body, 552));

    // Of a chunk the verdict is owed from its command on.
    let mut talk = Talk::new(true);
    talk.0.begin(plan(&TO, Content::Chunk { size: 14, eager: true }, false));
    talk.append("hello\r\n");
    talk.flight();
    assert!(matches!(talk.says("250 1\n250 2\n552 too big\n"), Err(Broken::Interrupted(_))));
    assert_eq!(refused_at(talk.outcome()), (Stage::Body, 552));
}

#[test]
fn a_chunk_accepted_for_recipients_who_were_all_refused_has_one_verdict_and_ends_the_session() {
    let mut talk = Talk::new(true);
    talk.0.begin(plan(&TO, Content::Chunk { size: 7, eager: true }, false));
    talk.content("hello\r\n");
    talk.flight();
    assert!(matches!(talk.says("250 1\n550 no\n250 queued\n"), Err(Broken::Unexpected(_))));
    assert_eq!(refused_at(talk.outcome()), (Stage::Rcpt, 550));
    assert_eq!(talk.outcome(), None);
    assert!(!talk.0.is_clean());
}

#[test]
fn a_reply_in_advance_breaks_the_conversation() {
    let mut talk = Talk::new(true);
    let id = talk.begin(&TO);
    assert!(matches!(talk.says("250 sender ok\n"), Err(Broken::Unexpected(_))));
    assert_eq!(talk.0.delivery(id), Some(Delivery::NotSent));
}

#[test]
fn a_refusal_in_advance_of_an_envelope_is_no_verdict() {
    let mut talk = Talk::new(true);
    let id = talk.begin(&TO);
    assert!(matches!(talk.says("550 no\n"), Err(Broken::Unexpected(_))));
    assert_eq!((talk.outcome(), talk.0.delivery(id)), (None, Some(Delivery::NotSent)));
}

#[test]
fn a_stray_reply_while_idle_breaks_the_conversation() {
    for text in ["250 ok\n", "421 idle\n", "221 bye\n", "2", "x"] {
        let mut talk = Talk::new(true);
        let _ = talk.says(text);
        assert!(!talk.0.is_clean() && !talk.0.can_begin(), "{text}");
    }
}

#[test]
fn a_stray_reply_among_the_expected_ones_is_never_taken_for_acceptance() {
    // One reply too many for RCPT: DATA is then answered by 250.
    let mut talk = Talk::new(true);
    let id = talk.begin(&TO);
    talk.flight();
    assert!(matches!(talk.says("250 1\n250 2\n250 stray\n354 go\n"), Err(Broken::Unexpected(_))));
    assert_eq!(talk.0.delivery(id), Some(Delivery::NotSent));
}

#[test]
fn a_refused_sender_ends_the_transaction_and_all_replies_are_read() {
    let mut talk = Talk::new(true);
    talk.begin(&TO);
    talk.flight();
    talk.says("550 no\n").unwrap();
    assert_eq!(refused_at(talk.outcome()), (Stage::Mail, 550));
    assert!(!talk.0.is_clean(), "RCPT and DATA are still owed");
    talk.says("503 MAIL first\n503 MAIL first\n").unwrap();
    assert!(talk.0.is_clean());
    assert!(!talk.0.has_output(), "the server holds no envelope to reset");

    let mut talk = Talk::new(false);
    talk.begin(&TO);
    talk.flight();
    talk.says("550 no\n").unwrap();
    assert_eq!(refused_at(talk.outcome()), (Stage::Mail, 550));
    assert!(talk.0.is_clean());
}

#[test]
fn when_all_recipients_are_refused_the_envelope_is_reset() {
    let mut talk = Talk::new(true);
    talk.begin(&["a@x", "b@x"]);
    talk.flight();
    talk.says("250 ok\n550 no\n451 later\n").unwrap();
    let Some(Outcome::Refused { stage, reply, recipients }) = talk.outcome() else {
        panic!("expected a refusal")
    };
    assert_eq!((stage, reply.code()), (Stage::Rcpt, 451), "the transient one speaks for all");
    let codes: Vec<_> = recipients.iter().flatten().map(Reply::code).collect();
    assert_eq!(codes, [550, 451]);
    talk.says("503 no recipients\n").unwrap();
    assert_eq!(talk.flight(), "RSET\r\n");
    assert!(!talk.0.is_clean());
    talk.says("250 reset\n").unwrap();
    assert!(talk.0.is_clean());
}

#[test]
fn when_all_recipients_are_refused_after_a_354_a_lone_dot_closes_the_transaction() {
    let mut talk = Talk::new(true);
    talk.begin(&TO);
    talk.flight();
    talk.says("250 ok\n550 no\n354 go\n").unwrap();
    assert_eq!(refused_at(talk.outcome()), (Stage::Rcpt, 550));
    assert_eq!(talk.flight(), ".\r\n");
    talk.says("554 no recipients\n").unwrap();
    assert!(talk.0.is_clean());
}

#[test]
fn content_is_never_offered_to_a_server_that_refused_the_sender() {
    let mut talk = Talk::new(true);
    talk.begin(&TO);
    talk.flight();
    assert!(matches!(talk.says("550 no\n250 ok\n354 go\n"), Err(Broken::Unexpected(_))));
    assert!(talk.0.wants_content().is_none());
}

#[test]
fn requiring_all_recipients_holds_data_back_and_resets_on_a_refusal() {
    let mut talk = Talk::new(true);
    talk.0.begin(plan(&["a@x", "b@x"], Content::Data, true));
    assert!(!talk.flight().contains("DATA"));
    talk.says("250 ok\n250 ok\n550 no\n").unwrap();
    assert_eq!(refused_at(talk.outcome()), (Stage::Rcpt, 550));
    assert_eq!(talk.flight(), "RSET\r\n");
    talk.says("250 ok\n").unwrap();
    assert!(talk.0.is_clean());

    talk.0.begin(plan(&["a@x", "b@x"], Content::Data, true));
    talk.flight();
    talk.says("250 ok\n250 ok\n250 ok\n").unwrap();
    assert_eq!(talk.flight(), "DATA\r\n");
}

#[test]
fn a_refused_chunk_is_followed_by_rset() {
    let mut talk = Talk::new(true);
    talk.0.begin(plan(&TO, Content::Chunk { size: 7, eager: true }, false));
    talk.content("hello\r\n");
    talk.flight();
    talk.says("250 1\n250 2\n552 too big\n").unwrap();
    assert_eq!(refused_at(talk.outcome()), (Stage::EndOfData, 552));
    assert_eq!(talk.flight(), "RSET\r\n");
    talk.says("250 ok\n").unwrap();
    assert!(talk.0.is_clean());
}

#[test]
fn a_refused_data_command_is_a_refusal() {
    let mut talk = Talk::new(true);
    talk.begin(&TO);
    talk.flight();
    talk.says("250 1\n250 2\n451 busy\n").unwrap();
    assert_eq!(refused_at(talk.outcome()), (Stage::Data, 451));
    assert_eq!(talk.flight(), "RSET\r\n");
}

#[test]
fn a_connection_whose_reset_is_refused_is_never_clean() {
    let mut talk = Talk::new(true);
    talk.begin(&TO);
    talk.flight();
    talk.says("250 1\n250 2\n451 busy\n").unwrap();
    assert_eq!(talk.flight(), "RSET\r\n");
    assert!(matches!(talk.says("500 what\n"), Err(Broken::Unexpected(_))));
    assert!(!talk.0.is_clean() && !talk.0.can_begin());
}

#[test]
fn a_421_to_any_command_closes_without_a_verdict() {
    for replies in ["421 a\n", "250 1\n421 a\n", "250 1\n250 2\n421 a\n"] {
        let mut talk = Talk::new(true);
        let id = talk.begin(&TO);
        talk.flight();
        assert!(matches!(talk.says(replies), Err(Broken::Closing(_))));
        assert_eq!((talk.outcome(), talk.0.delivery(id)), (None, Some(Delivery::NotSent)));
    }
}

#[test]
fn the_stage_names_what_is_waited_for() {
    let mut talk = Talk::new(true);
    assert_eq!(talk.0.stage(), Stage::Idle);
    talk.begin(&TO);
    talk.flight();
    for (stage, reply) in
        [(Stage::Mail, "250 1\n"), (Stage::Rcpt, "250 2\n"), (Stage::Data, "354 go\n")]
    {
        assert_eq!(talk.0.stage(), stage);
        talk.says(reply).unwrap();
    }
    assert_eq!(talk.0.stage(), Stage::Body);
    talk.content("");
    assert_eq!(talk.0.stage(), Stage::EndOfData);
}

/// What a server may say, from helpful to hostile.
fn server_bytes() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop_oneof![
        4 => Just("250 ok\r\n"), 4 => Just("354 go\r\n"), 1 => Just("550 no\r\n"),
        1 => Just("451 later\r\n"), 1 => Just("421 bye\r\n"), 1 => Just("250-more\r\n"),
        1 => Just("25"), 1 => Just("199 x\r\n"), 1 => Just("\n"),
    ];
    proptest::collection::vec(lines, 0..12).prop_map(|lines| lines.concat().into_bytes())
}

proptest! {
    /// Against any server: acceptance only after the end-of-data was handed
    /// out in full and answered 2yz, and at most one outcome.
    #[test]
    fn no_sequence_of_replies_makes_an_unsent_message_accepted(
        said in server_bytes(), step in 1usize..9, pipelining: bool, chunk: bool, write_every in 1usize..5,
    ) {
        let content = if chunk {
            Content::Chunk { size: 7, eager: pipelining }
        } else {
            Content::Data
        };
        let mut talk = Talk::new(pipelining);
        let id = talk.0.begin(plan(&TO, content, false));
        let mut outcomes = Vec::new();
        let mut handed_out = false;
        for (turn, part) in said.chunks(step).enumerate() {
            if turn % write_every == 0 {
                if talk.0.wants_content().is_some() {
                    talk.content("hello\r\n");
                }
                handed_out |= talk.0.about_to_commit().is_some();
                talk.flight();
            }
            let result = talk.0.receive(part);
            while let Some((_, outcome)) = talk.0.next_outcome() {
                if matches!(outcome, Outcome::Accepted { .. }) {
                    prop_assert!(handed_out);
                }
                outcomes.push(outcome);
            }
            if result.is_err() {
                prop_assert!(!talk.0.is_clean() && !talk.0.can_begin());
                break;
            }
        }
        prop_assert!(outcomes.len() <= 1);
        if outcomes.is_empty() {
            let expected = if handed_out { Delivery::Unknown } else { Delivery::NotSent };
            prop_assert_eq!(talk.0.delivery(id), Some(expected));
        }
    }
}
