//! The TXT records around MTA-STS: `_mta-sts` (RFC 8461 §3.1) and
//! `_smtp._tls` (RFC 8460 §3).

use crate::probe::records::printable;

/// Reads the texts at `_mta-sts.DOMAIN`: the id, or none if nothing there is
/// an MTA-STS record.
///
/// # Errors
/// Why there is no policy although somebody meant one: two records, or one
/// without a readable id.
pub(super) fn sts_id(texts: &[String]) -> Result<Option<String>, String> {
    let mut records = texts.iter().filter(|text| is_version(text, "v=STSv1"));
    let Some(record) = records.next() else {
        // Close enough to be meant as one.
        let near = |text: &&String| text.trim_start().to_ascii_lowercase().starts_with("v=sts");
        return match texts.iter().find(near) {
            Some(_) => Err("it does not begin with v=STSv1;".to_owned()),
            None => Ok(None),
        };
    };
    let others = records.count();
    if others > 0 {
        return Err(format!("there are {} of them, and one must be the only one", others + 1));
    }
    let mut ids = fields(record).filter_map(|(name, value)| (name == "id").then_some(value));
    let id = ids.next().ok_or("it has no id")?;
    if !(1..=32).contains(&id.len()) || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("its id is not 1 to 32 letters and digits".to_owned());
    }
    Ok(Some(id.to_owned()))
}

/// Reads the texts at `_smtp._tls.DOMAIN`: where reports on TLS go (`rua`).
/// Nothing unless exactly one of them is a TLS-RPT record.
pub(super) fn report_addresses(texts: &[String]) -> Vec<String> {
    let mut records = texts.iter().filter(|text| is_version(text, "v=TLSRPTv1"));
    let (Some(record), None) = (records.next(), records.next()) else { return Vec::new() };
    let mut rua = fields(record).filter_map(|(name, value)| (name == "rua").then_some(value));
    let addresses = rua.next().unwrap_or_default().split(',').map(str::trim);
    let known = |uri: &&str| uri.starts_with("mailto:") || uri.starts_with("https:");
    addresses.filter(known).map(printable).take(16).collect()
}

/// Whether the text's first field is this version, and more may follow.
fn is_version(text: &str, version: &str) -> bool {
    text.strip_prefix(version).is_some_and(|rest| rest.trim_start().starts_with(';'))
}

fn fields(record: &str) -> impl Iterator<Item = (&str, &str)> {
    let fields = record.split(';').filter_map(|field| field.split_once('='));
    fields.map(|(name, value)| (name.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(texts: &[&str]) -> Result<Option<String>, String> {
        sts_id(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_id_is_read_from_the_one_record_that_is_one() {
        let found = Ok(Some("20260415T1200".to_owned()));
        for text in [
            "v=STSv1; id=20260415T1200;",
            "v=STSv1;id=20260415T1200",
            "v=STSv1 ; id=20260415T1200 ; other=a=b",
            "v=STSv1; other=x; id=20260415T1200; id=second",
        ] {
            assert_eq!(id(&[text]), found, "{text}");
            assert_eq!(id(&["v=spf1 -all", text, "v=STSv12; id=1", ""]), found, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_record() {
        for texts in [&[][..], &[""], &["v=spf1 -all", "id=1"], &["hello v=STSv1; id=1"]] {
            assert_eq!(id(texts), Ok(None), "{texts:?}");
        }
    }

    #[test]
    fn a_record_that_cannot_be_used_says_why() {
        for (texts, reason) in [
            (&["v=STSv1; id=1", "v=STSv1; id=1"][..], "2 of them"),
            (&["v=STSv1;"], "no id"),
            (&["v=STSv1; ID=1"], "no id"),
            (&["v=STSv1; id="], "letters and digits"),
            (&["v=STSv1; id=2026-04-15"], "letters and digits"),
            (&["v=STSv1; id=123456789012345678901234567890123"], "letters and digits"),
            (&["v=stsv1; id=1"], "begin with v=STSv1;"),
            (&["v=STSv1 id=1"], "begin with v=STSv1;"),
            (&["v=STSv2; id=1"], "begin with v=STSv1;"),
        ] {
            let error = id(texts).unwrap_err();
            assert!(error.contains(reason), "{texts:?}: {error}");
        }
    }

    #[test]
    fn reports_go_where_the_one_record_says() {
        let read = |texts: &[&str]| {
            report_addresses(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
        };
        let record = "v=TLSRPTv1; rua=mailto:tls@example.org, https://example.org/r,ftp://x";
        assert_eq!(read(&[record]), ["mailto:tls@example.org", "https://example.org/r"]);
        assert_eq!(read(&["v=spf1 -all", record]).len(), 2);
        assert_eq!(read(&[record, record]), [""; 0]);
        assert_eq!(read(&["v=TLSRPTv1;", "x"]), [""; 0]);
        assert_eq!(read(&[]), [""; 0]);
    }

    proptest! {
        #[test]
        fn any_texts_are_read_without_a_panic(texts: Vec<String>, tail: String) {
            let _ = (sts_id(&texts), report_addresses(&texts));
            let _ = (sts_id(&[format!("v=STSv1;{tail}")]), report_addresses(&[format!("v=TLSRPTv1;{tail}")]));
        }

        #[test]
        fn a_written_record_is_read_back(id in "[0-9A-Za-z]{1,32}", other in "[a-z]{1,9}=[!-:<-~]{0,9}") {
            prop_assume!(!other.starts_with("id="));
            let record = format!("v=STSv1; {other}; id={id};");
            prop_assert_eq!(sts_id(&[record]), Ok(Some(id)));
        }
    }
}
