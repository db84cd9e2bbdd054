use super::*;

const GREETING: &str = "220-mx.example.org ESMTP\r\n220 at your service\r\n";
const OFFER: &str = "250-mx.example.org\r\n250-SIZE 1000\r\n250 STARTTLS\r\n";
const GO_AHEAD: &str = "220 2.0.0 go ahead\r\n";
const INSIDE: &str = "250-mx.example.org\r\n250 AUTH PLAIN LOGIN\r\n";

fn dialogue() -> Dialogue {
    Dialogue::new(Protocol::Smtp, "[192.0.2.9]".to_owned())
}

/// Says `bytes` in pieces of `step`, as one reply.
fn say(dialogue: &mut Dialogue, bytes: &str, step: usize) -> Result<(), Fault> {
    let pieces = bytes.as_bytes().chunks(step);
    let last = pieces.len() - 1;
    for (index, piece) in pieces.enumerate() {
        assert_eq!(dialogue.receive(piece)?, index == last, "{bytes:?} by {step}");
    }
    Ok(())
}

fn sent(dialogue: &mut Dialogue) -> String {
    String::from_utf8(dialogue.take_output()).unwrap()
}

/// As far as the reply to `replies`, in the clear.
fn after(replies: &[&str]) -> (Dialogue, Result<(), Fault>) {
    let mut dialogue = dialogue();
    let result =
        replies.iter().try_for_each(|reply| dialogue.receive(reply.as_bytes()).map(|_| ()));
    (dialogue, result)
}

#[test]
fn a_probe_by_starttls_says_the_same_at_every_split() {
    for step in 1..=GREETING.len() {
        let mut dialogue = dialogue();
        assert_eq!(sent(&mut dialogue), "");
        say(&mut dialogue, GREETING, step).unwrap();
        assert_eq!(sent(&mut dialogue), "EHLO [192.0.2.9]\r\n");
        say(&mut dialogue, OFFER, step).unwrap();
        assert_eq!(sent(&mut dialogue), "STARTTLS\r\n");
        say(&mut dialogue, GO_AHEAD, step).unwrap();
        assert_eq!((dialogue.stage(), sent(&mut dialogue).as_str()), (Stage::Handshake, ""));
        dialogue.secured();
        assert_eq!(sent(&mut dialogue), "EHLO [192.0.2.9]\r\n");
        say(&mut dialogue, INSIDE, step).unwrap();
        assert!(!dialogue.expects_reply());
        assert_eq!((dialogue.stage(), sent(&mut dialogue).as_str()), (Stage::Quit, ""));

        let heard = dialogue.heard;
        assert_eq!(heard.greeting.unwrap().lines().len(), 2);
        assert!(heard.before_tls.unwrap().starttls());
        assert_eq!(heard.inside_tls.unwrap().auth_names().count(), 2);
        assert_eq!(heard.injected, None);
    }
}

#[test]
fn inside_implicit_tls_the_greeting_comes_first_and_starttls_is_never_sent() {
    let mut dialogue = dialogue();
    dialogue.secured();
    assert_eq!((dialogue.stage(), sent(&mut dialogue).as_str()), (Stage::Greeting, ""));
    say(&mut dialogue, GREETING, 3).unwrap();
    assert_eq!(sent(&mut dialogue), "EHLO [192.0.2.9]\r\n");
    say(&mut dialogue, OFFER, 3).unwrap();
    assert_eq!((dialogue.stage(), sent(&mut dialogue).as_str()), (Stage::Quit, ""));
    assert!(dialogue.heard.inside_tls.is_some_and(|offered| offered.starttls()));
    assert!(dialogue.heard.before_tls.is_none());
}

#[test]
fn lmtp_is_greeted_with_lhlo() {
    let mut dialogue = Dialogue::new(Protocol::Lmtp, "client.example.org".to_owned());
    say(&mut dialogue, GREETING, 100).unwrap();
    assert_eq!(sent(&mut dialogue), "LHLO client.example.org\r\n");
}

#[test]
fn a_4yz_greeting_is_no_word_on_tls() {
    for greeting in ["421 4.7.0 too many connections\r\n", "450 later\r\n"] {
        let (dialogue, result) = after(&[greeting]);
        assert!(matches!(result, Err(Fault::TurnedAway(_))), "{greeting}");
        assert!(dialogue.heard.greeting.is_some() && dialogue.heard.before_tls.is_none());
    }
    let (_, result) = after(&[GREETING, "421 4.3.2 shutting down\r\n"]);
    assert!(matches!(result, Err(Fault::TurnedAway(_))));
}

#[test]
fn refusals_are_told_apart_by_what_they_refuse() {
    let (_, result) = after(&["554 5.7.1 no service for you\r\n"]);
    assert!(matches!(result, Err(Fault::GreetingRefused(_))));
    for refusal in ["501 5.5.4 bad name\r\n", "450 4.7.1 later\r\n"] {
        let (_, result) = after(&[GREETING, refusal]);
        assert!(matches!(result, Err(Fault::EhloRefused(_))), "{refusal}");
    }
    for refusal in ["454 4.7.0 no TLS just now\r\n", "502 what?\r\n", "354 odd\r\n"] {
        let (dialogue, result) = after(&[GREETING, OFFER, refusal]);
        assert!(matches!(result, Err(Fault::StartTlsRefused(_))), "{refusal}");
        assert!(dialogue.heard.before_tls.is_some());
    }
}

#[test]
fn a_server_without_starttls_is_told_from_one_that_lost_it_on_the_way() {
    let (_, result) = after(&[GREETING, "250-mx\r\n250 SIZE\r\n"]);
    assert_eq!(result, Err(Fault::NotOffered(None)));
    for keyword in ["XXXXXXXA", "XXXXXXXX", "********"] {
        let (_, result) = after(&[GREETING, &format!("250-mx\r\n250 {keyword}\r\n")]);
        assert_eq!(result, Err(Fault::NotOffered(Some(keyword.to_owned()))));
    }
    for keyword in ["XCLIENT", "XFORWARD", "X-ANONYMOUSTLS", "XXXX"] {
        let (_, result) = after(&[GREETING, &format!("250-mx\r\n250 {keyword}\r\n")]);
        assert_eq!(result, Err(Fault::NotOffered(None)), "{keyword}");
    }
}

#[test]
fn what_follows_the_go_ahead_is_kept_as_injected_and_never_believed() {
    let injected = "250-mx\r\n250 AUTH PLAIN\r\n";
    let (mut dialogue, result) = after(&[GREETING, OFFER, &format!("{GO_AHEAD}{injected}")]);
    assert_eq!((result, dialogue.stage()), (Ok(()), Stage::Handshake));
    assert_eq!(dialogue.heard.injected.as_deref(), Some(injected.as_bytes()));
    dialogue.secured();
    assert!(dialogue.heard.inside_tls.is_none());
    dialogue.receive(b"250 mx\r\n").unwrap();
    assert_eq!(dialogue.heard.inside_tls.unwrap().auth_names().count(), 0);
}

#[test]
fn half_a_reply_from_before_tls_is_not_continued_inside_it() {
    let (mut dialogue, _) = after(&[GREETING, OFFER, &format!("{GO_AHEAD}250-half")]);
    dialogue.secured();
    assert_eq!(dialogue.receive(b"250 mx\r\n"), Ok(true));
    assert_eq!(dialogue.heard.inside_tls.unwrap().domain(), "mx");
}

#[test]
fn a_reply_that_nobody_asked_for_ends_the_dialogue() {
    let (_, result) = after(&[&format!("{GREETING}{OFFER}")]);
    assert!(matches!(result, Err(Fault::Unasked(_))));
    let (_, result) = after(&[GREETING, &format!("{OFFER}{GO_AHEAD}")]);
    assert!(matches!(result, Err(Fault::Unasked(_))));
}

#[test]
fn other_protocols_are_recognised_at_every_split() {
    for (banner, name) in
        [("HTTP/1.1 400\r\n", "HTTP"), ("SSH-2.0-x\r\n", "SSH"), ("* OK ready\r\n", "IMAP")]
    {
        let (_, result) = after(&[banner]);
        assert!(
            matches!(&result, Err(Fault::NotSmtp(Spoken::Other(it), _)) if *it == name),
            "{result:?}"
        );
        for step in 1..banner.len() {
            let error = say(&mut dialogue(), banner, step).unwrap_err();
            assert!(matches!(error, Fault::NotSmtp(..)), "{banner:?} by {step}: {error:?}");
        }
    }
}

#[test]
fn an_endless_greeting_is_cut_off_in_bounded_memory() {
    let mut dialogue = dialogue();
    let error = (0..1000).find_map(|_| dialogue.receive(b"220-and another thing\r\n").err());
    assert!(matches!(error, Some(Fault::Malformed(_))), "{error:?}");
    assert!(dialogue.first.len() <= LOOKED_AT);
}
