//! The rehearsal server, driven as C drives it.

use std::net::TcpStream;
use std::ptr;

use super::*;
use crate::rehearsal::*;

fn start(options: Option<&str>) -> Result<*mut everpost_rehearsal, Failed> {
    let (options, len) = options.map_or(NONE, c);
    made(|out, error| unsafe { everpost_rehearsal_start(options, len, out, error) })
}

fn control(server: *const everpost_rehearsal, request: &str) -> serde_json::Value {
    let (request, len) = c(request);
    let answer =
        made(|out, error| unsafe { everpost_rehearsal_control(server, request, len, out, error) });
    serde_json::from_str(&taken(answer.unwrap())).unwrap()
}

#[test]
fn a_server_is_started_steered_and_stopped() {
    let options = r#"{"host": "mail.test", "credentials": {"app": "secret"}}"#;
    let server = start(Some(options)).unwrap();
    unsafe {
        assert!(seen(everpost_rehearsal_ca_pem(server)).unwrap().contains("BEGIN CERTIFICATE"));
        let ports = [
            everpost_rehearsal_implicit_port(server),
            everpost_rehearsal_starttls_port(server),
            everpost_rehearsal_plain_port(server),
        ];
        for port in ports {
            assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        }
        let rotated = control(server, r#"{"id": 7, "do": "rotate"}"#);
        assert_eq!((&rotated["id"], &rotated["ok"]), (&7.into(), &true.into()));
        let counts = control(server, r#"{"do": "counts"}"#);
        assert_eq!(counts["counts"], serde_json::json!({}));
        let unknown = control(server, r#"{"do": "dance"}"#);
        assert_eq!(unknown["ok"], false);
        assert!(unknown["error"].as_str().unwrap().contains("dance"));
        assert_eq!(control(server, "nonsense")["ok"], false);
        everpost_rehearsal_free(server);
        for port in ports {
            assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it has stopped");
        }
    }
}

#[test]
fn options_that_cannot_be_are_refused() {
    for options in ["", "[]", r#"{"hosts": "x"}"#, r#"{"address": "192.0.2.1"}"#] {
        assert_eq!(refused(start(Some(options))), EVERPOST_INVALID_CONFIG, "{options}");
    }
    let server = start(None).unwrap();
    unsafe {
        let status = everpost_rehearsal_start(NONE.0, 0, ptr::null_mut(), ptr::null_mut());
        assert_eq!(status, EVERPOST_NULL_ARGUMENT);
        let (request, len) = c("{}");
        let nobody =
            made(|out, error| everpost_rehearsal_control(ptr::null(), request, len, out, error));
        assert_eq!(refused(nobody), EVERPOST_NULL_ARGUMENT);
        let nothing =
            made(|out, error| everpost_rehearsal_control(server, NONE.0, NONE.1, out, error));
        assert_eq!(refused(nothing), EVERPOST_NULL_ARGUMENT);
        let out = ptr::null_mut();
        let status = everpost_rehearsal_control(server, request, len, out, ptr::null_mut());
        assert_eq!(status, EVERPOST_NULL_ARGUMENT);
        assert_eq!(seen(everpost_rehearsal_ca_pem(ptr::null())), None);
        assert_eq!(everpost_rehearsal_implicit_port(ptr::null()), 0);
        assert_eq!(everpost_rehearsal_starttls_port(ptr::null()), 0);
        assert_eq!(everpost_rehearsal_plain_port(ptr::null()), 0);
        everpost_rehearsal_free(ptr::null_mut());
        everpost_rehearsal_free(server);
    }
}
