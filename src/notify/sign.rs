//! The signature of what is posted: HMAC-SHA-256 over the time and the body, so that a receiver can tell
//! our messages from others', and a fresh one from one that was recorded.

use chrono::{DateTime, Utc};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};

/// `t=UNIX,v1=HEX`, the hash over `UNIX.BODY`.
pub(super) fn signature(secret: &SecretString, body: &[u8], now: DateTime<Utc>) -> String {
    let at = now.timestamp();
    let signed = [format!("{at}.").as_bytes(), body].concat();
    format!("t={at},v1={}", hex(hmac::sign(&key(secret), &signed).as_ref()))
}

fn key(secret: &SecretString) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes())
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_standard() {
        // RFC 4231, test case 2.
        let tag = hmac::sign(&key(&"Jefe".into()), b"what do ya want for nothing?");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(tag.as_ref()), expected);
    }

    #[test]
    fn time_and_body_are_signed_together() {
        // python3 -c 'import hmac;print(hmac.new(b"hunter2",b"1772366400.{}","sha256").hexdigest())'
        let noon = "2026-03-01T12:00:00Z".parse().unwrap();
        let expected = "t=1772366400,v1=fd138bf8198937440db890f190182a2fc727e8c20eacd3729e050614c25afe5a";
        assert_eq!(signature(&"hunter2".into(), b"{}", noon), expected);
    }
}
