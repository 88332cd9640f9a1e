//! Devices on which a user has logged in before (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"): each keeps a
//! signed cookie for the account, with which the right password is accepted, however many wrong ones others try.

use sha2::{Digest, Sha256};

use super::tokens::Tokens;
use crate::error::Result;
use crate::model::ids::UserId;
use crate::model::random;
use crate::model::text;
use crate::model::time::Time;

/// How long a device is known, in seconds.
pub const LIFETIME_SECONDS: i64 = 180 * 24 * 3_600;
/// How the name of a cookie begins; what follows tells accounts apart and names none.
const PREFIX: &str = "schoolbell_device_";

/// A cookie to be set.
#[derive(Debug, Clone)]
pub struct DeviceCookie {
    pub name: String,
    pub value: String,
}

/// Makes the cookie of a device for an account. It ends with the password.
///
/// # Errors
/// [`crate::error::Error::Internal`] without random numbers.
pub fn issue(tokens: &Tokens, user: &UserId, hash: &str, now: Time) -> Result<DeviceCookie> {
    let until = now.seconds() + LIFETIME_SECONDS;
    let nonce = random::base64url::<12>()?;
    let mac = sign(tokens, user, hash, until, &nonce);
    Ok(DeviceCookie {
        name: name(user),
        value: format!("{until}.{nonce}.{mac}"),
    })
}

/// Which device it is, if one of these cookies is the account's.
pub fn known<'c>(
    tokens: &Tokens,
    mut cookies: impl Iterator<Item = (&'c str, &'c str)>,
    user: &UserId,
    hash: &str,
    now: Time,
) -> Option<String> {
    let wanted = name(user);
    let (_, value) = cookies.find(|(name, _)| *name == wanted)?;
    let mut parts = value.splitn(3, '.');
    let (until, nonce, mac) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let good = now.seconds() <= until && sign(tokens, user, hash, until, nonce) == mac;
    good.then(|| nonce.to_owned())
}

fn name(user: &UserId) -> String {
    let digest = Sha256::digest(user.as_str());
    format!("{PREFIX}{}", text::hex(&digest[..6]))
}

fn sign(tokens: &Tokens, user: &UserId, hash: &str, until: i64, nonce: &str) -> String {
    let all = Sha256::digest(format!("{until} {nonce} {user} {hash}"));
    tokens.mac(&format!("device {}", text::hex(&all)))
}
