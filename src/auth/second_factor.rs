//! Codes of an authenticator app: TOTP (RFC 6238) with SHA-1, six digits and steps of 30 seconds, which all apps know.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use totp_rs::{Algorithm, Secret, TOTP};

use super::tokens::Tokens;
use crate::error::{Error, Result};
use crate::model::ids::UserId;
use crate::model::time::Time;

const DIGITS: usize = 6;
const STEP_SECONDS: u64 = 30;
/// Bytes of a secret (RFC 4226 section 4 recommends 20).
const SECRET_BYTES: usize = 20;

/// The secret that an app keeps.
pub struct SecondFactor(TOTP);

impl SecondFactor {
    /// Derives a user's secret from a nonce, which is stored.
    ///
    /// # Errors
    /// [`Error::Internal`], which does not happen.
    pub fn derive(tokens: &Tokens, user: &UserId, nonce: &str) -> Result<Self> {
        let mac = tokens.mac(&format!("second factor {nonce} {user}"));
        let wrong = |why: String| Error::Internal(format!("second factor: {why}"));
        let mut secret = URL_SAFE_NO_PAD
            .decode(mac)
            .map_err(|e| wrong(e.to_string()))?;
        secret.truncate(SECRET_BYTES);
        let totp = TOTP::new(Algorithm::SHA1, DIGITS, 1, STEP_SECONDS, secret);
        totp.map(SecondFactor).map_err(|e| wrong(e.to_string()))
    }

    /// The secret in base32 (RFC 4648 section 6), for who types it.
    pub fn secret(&self) -> String {
        Secret::Raw(self.0.secret.clone()).to_encoded().to_string()
    }

    /// What an app reads from a QR code (Google Authenticator's Key Uri Format).
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        // A colon separates the two.
        let issuer = encode(&issuer.replace(':', " "));
        let account = encode(&account.replace(':', " "));
        format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}",
            self.secret()
        )
    }

    /// The time step that a code is of, now or one step before or after (RFC 6238 section 5.2), if it is of one.
    pub fn step(&self, code: &str, now: Time) -> Option<i64> {
        let step = now.seconds().max(0) / STEP_SECONDS as i64;
        let at = |step: i64| self.0.generate(step.max(0).unsigned_abs() * STEP_SECONDS);
        [step, step - 1, step + 1]
            .into_iter()
            .find(|step| at(*step) == code)
    }
}

/// The digits of a code, as people type it: with spaces between.
pub fn digits(code: &str) -> Option<String> {
    let plain: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    (plain.len() == DIGITS && plain.bytes().all(|b| b.is_ascii_digit())).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = b"12345678901234567890".to_vec();
        let totp = TOTP::new(Algorithm::SHA1, DIGITS, 1, STEP_SECONDS, secret).unwrap();
        let factor = SecondFactor(totp);
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
        ] {
            let now = Time(seconds * 1_000);
            assert_eq!(factor.0.generate(now.seconds().unsigned_abs()), code);
            assert_eq!(factor.step(code, now), Some(seconds / 30));
            assert_eq!(factor.step(code, now.plus_seconds(30)), Some(seconds / 30));
            assert_eq!(factor.step(code, now.plus_seconds(90)), None);
        }
        assert_eq!(factor.secret(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let uri = factor.uri("Hill: School", "ann b");
        assert!(
            uri.starts_with("otpauth://totp/Hill%20%20School:ann%20b?secret=GEZD"),
            "{uri}"
        );
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        assert_eq!(digits(" 123 456 ").as_deref(), Some("123456"));
        for bad in ["", "12345", "1234567", "12345a", "abcde-fghij"] {
            assert_eq!(digits(bad), None, "{bad}");
        }
    }
}
