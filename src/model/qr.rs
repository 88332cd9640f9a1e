//! QR codes (ISO/IEC 18004).

use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};

use crate::error::{Error, Result};

/// A QR code as an SVG element, to stand in a page.
///
/// # Errors
/// [`Error::Internal`] where the text is too long for one: some 2,300 bytes.
pub fn svg(text: &str) -> Result<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M);
    let code = code.map_err(|e| Error::Internal(format!("QR code: {e}")))?;
    let svg = code.render::<svg::Color>().quiet_zone(true).build();
    // An XML declaration stands in no page.
    Ok(match svg.split_once("?>") {
        Some((_, element)) => element.to_owned(),
        None => svg,
    })
}
