//! A second factor beside the password.

use serde::Serialize;
use utoipa::ToSchema;

/// How it stands with a user's.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SecondFactor)]
pub struct SecondFactorState {
    /// Whether logging in takes a code.
    pub enabled: bool,
    /// Whether this user's role must have one.
    pub required: bool,
    pub recovery_codes_left: u32,
}

/// What an authenticator app is given.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = NewSecondFactor)]
pub struct NewSecondFactor {
    /// In base32, for who types it.
    pub secret: String,
    /// `otpauth:`, which the QR code holds.
    pub uri: String,
    /// The QR code, as SVG.
    pub qr: String,
}

/// Codes in the place of the app's, each accepted once. They are shown this time alone.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryCodes {
    pub recovery_codes: Vec<String>,
}
