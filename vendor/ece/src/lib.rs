//! Message Encryption for Web Push (RFC 8291) with the content coding `aes128gcm` (RFC 8188): the functions of the crate
//! `ece` that `web-push` calls, on `ring`.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// The size of the only record, in the header (RFC 8188 section 2.1): what push services take at least (RFC 8030
/// section 7.2).
const RECORD: u32 = 4096;
const AUTH: usize = 16;
const POINT: usize = 65;
const KEY: usize = 16;
const NONCE: usize = 12;
/// Plaintext is padded to a multiple of this, so that its length tells less.
const BLOCK: usize = 128;

/// The keys are not keys, or the text is too long for one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error;

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the payload cannot be encrypted")
    }
}

impl std::error::Error for Error {}

impl From<ring::error::Unspecified> for Error {
    fn from(_: ring::error::Unspecified) -> Self {
        Error
    }
}

pub type Result<T> = std::result::Result<T, Error>;

/// Encrypts `data` for the browser with the public key `remote_pub` (an uncompressed P-256 point) and the secret
/// `remote_auth` (16 bytes).
///
/// # Errors
/// [`Error`] for keys of another length, a point off the curve, or more than a record holds.
pub fn encrypt(remote_pub: &[u8], remote_auth: &[u8], data: &[u8]) -> Result<Vec<u8>> {
    if remote_pub.len() != POINT || remote_auth.len() != AUTH {
        return Err(Error);
    }
    let random = SystemRandom::new();
    let private = EphemeralPrivateKey::generate(&ECDH_P256, &random)?;
    let public = private.compute_public_key()?;
    let remote = UnparsedPublicKey::new(&ECDH_P256, remote_pub);
    let mut salt = [0; 16];
    random.fill(&mut salt)?;

    // RFC 8291 section 3.4: one key from the shared secret, then (RFC 8188 section 2) a key and a nonce from that.
    let ikm = agree_ephemeral(private, &remote, |secret| {
        let info = [b"WebPush: info\0", remote_pub, public.as_ref()];
        derive::<32>(remote_auth, secret, &info)
    })??;
    let key = derive::<KEY>(&salt, &ikm, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce = derive::<NONCE>(&salt, &ikm, &[b"Content-Encoding: nonce\0"])?;

    // The delimiter 2 marks the last record; zeros pad it.
    let padded = (data.len() + 1).next_multiple_of(BLOCK);
    let sealed = padded + AES_128_GCM.tag_len();
    if sealed > RECORD as usize {
        return Err(Error);
    }
    let mut text = Vec::with_capacity(sealed);
    text.extend_from_slice(data);
    text.push(2);
    text.resize(padded, 0);
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key)?);
    cipher.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::empty(),
        &mut text,
    )?;

    let mut body = Vec::with_capacity(16 + 4 + 1 + POINT + text.len());
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD.to_be_bytes());
    body.push(POINT as u8);
    body.extend_from_slice(public.as_ref());
    body.extend_from_slice(&text);
    Ok(body)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA-256 (RFC 5869): extract, then expand to `N` bytes.
fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> Result<[u8; N]> {
    let mut out = [0; N];
    let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
    prk.expand(info, Length(N))?.fill(&mut out)?;
    Ok(out)
}

/// The coding of before RFC 8291, which nothing here uses.
pub mod legacy {
    /// There is none.
    pub enum AesGcmEncryptedBlock {}

    impl AesGcmEncryptedBlock {
        pub fn headers(&self, _: Option<&[u8]>) -> Vec<(&'static str, String)> {
            match *self {}
        }

        pub fn body(&self) -> String {
            match *self {}
        }
    }

    /// # Errors
    /// Always.
    pub fn encrypt_aesgcm(_: &[u8], _: &[u8], _: &[u8]) -> super::Result<AesGcmEncryptedBlock> {
        Err(super::Error)
    }
}
