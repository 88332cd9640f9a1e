//! A second factor: begun, turned on, asked for at a login, and taken away.

use crate::service::safeguarding::duties;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::auth::second_factor::{self, SecondFactor};
use crate::error::{Conflict, Error, Noun, Result};
use crate::model::audit::{Action, AuditActor};
use crate::model::events::Effect;
use crate::model::ids::UserId;
use crate::model::second_factors::{NewSecondFactor, RecoveryCodes, SecondFactorState};
use crate::model::users::{Role, User};
use crate::model::{qr, random};
use crate::rule;
use crate::store::{WriteTx, audit, second_factors, users};

/// How many recovery codes there are.
const RECOVERY_CODES: usize = 10;

/// Whether this user must have one.
pub fn is_required(app: &App, user: &User) -> bool {
    user.role == Role::Admin && app.school.get().second_factor_required
}

/// How it stands with the caller's.
///
/// # Errors
/// As those of a read.
pub async fn state(app: &App, user: &User) -> Result<SecondFactorState> {
    let key = user.key;
    let left = app
        .store
        .read(move |c| second_factors::recovery_codes(c, key));
    Ok(SecondFactorState {
        enabled: user.second_factor,
        required: is_required(app, user),
        recovery_codes_left: left.await?,
    })
}

/// Makes a secret for the caller's app. It is asked for once it is turned on.
///
/// # Errors
/// [`Conflict::SecondFactor`] for who has one in force.
pub async fn begin(app: &App, user: &User) -> Result<NewSecondFactor> {
    let nonce = random::base64url::<12>()?;
    let factor = SecondFactor::derive(&app.auth.tokens, user.id(), &nonce)?;
    let key = user.key;
    app.store
        .write(move |tx| {
            if users::by_key(tx, key)?.is_none_or(|user| user.second_factor) {
                return Err(Error::Conflict(Conflict::SecondFactor));
            }
            second_factors::put(tx, key, &nonce)
        })
        .await?;
    let school = app.school.get();
    let issuer = match school.name.as_str() {
        "" => "schoolbell",
        name => name,
    };
    let account = user.username.as_deref().unwrap_or(&user.person.name);
    let uri = factor.uri(issuer, account);
    Ok(NewSecondFactor {
        secret: factor.secret(),
        qr: qr::svg(&uri)?,
        uri,
    })
}

/// A code, and what is stored of it.
fn recovery_code() -> Result<(String, [u8; 32])> {
    // 60 random bits: nobody guesses one at the pace that logins have.
    let code = random::letters::<12>()?;
    let (first, rest) = code.split_at(4);
    let (second, third) = rest.split_at(4);
    let shown = format!("{first}-{second}-{third}");
    Ok((shown, hash(&code)))
}

/// Of the letters and digits alone, whatever stands between them.
fn hash(code: &str) -> [u8; 32] {
    let plain = code.chars().filter(char::is_ascii_alphanumeric);
    let plain: String = plain.map(|c| c.to_ascii_lowercase()).collect();
    Sha256::digest(plain).into()
}

fn recovery_codes() -> Result<(RecoveryCodes, Vec<[u8; 32]>)> {
    let made: Result<Vec<_>> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
    let (recovery_codes, hashes) = made?.into_iter().unzip();
    Ok((RecoveryCodes { recovery_codes }, hashes))
}

/// What a code may prove, worked out before the write in which it is used up.
pub(super) struct Proof {
    nonce: String,
    by: ProofBy,
}

enum ProofBy {
    /// A code of the app, of this time step.
    Step(Option<i64>),
    RecoveryCode([u8; 32]),
}

/// # Errors
/// As those of a read.
pub(super) async fn examine(app: &App, user: &User, code: &str) -> Result<Option<Proof>> {
    let key = user.key;
    let found = app.store.read(move |c| second_factors::of(c, key)).await?;
    let Some((nonce, _)) = found else {
        return Ok(None);
    };
    let by = match second_factor::digits(code) {
        Some(digits) => {
            let factor = SecondFactor::derive(&app.auth.tokens, user.id(), &nonce)?;
            ProofBy::Step(factor.step(&digits, app.now()))
        }
        None => ProofBy::RecoveryCode(hash(code)),
    };
    Ok(Some(Proof { nonce, by }))
}

/// Whether a code is a user's. It is used up.
pub(super) fn accept(tx: &WriteTx, user: &User, proof: &Proof) -> Result<bool> {
    let Some((nonce, last_step)) = second_factors::of(tx, user.key)? else {
        return Ok(false);
    };
    if nonce != proof.nonce {
        return Ok(false);
    }
    match &proof.by {
        // RFC 6238 section 5.2: the second attempt of a code is refused.
        ProofBy::Step(Some(step)) if *step > last_step => {
            second_factors::set_step(tx, user.key, *step)?;
            Ok(true)
        }
        ProofBy::Step(_) => Ok(false),
        ProofBy::RecoveryCode(hash) => second_factors::use_recovery_code(tx, user.key, hash),
    }
}

/// Whether a code is a user's, in a write of its own. It is used up.
///
/// # Errors
/// As those of a write.
pub(super) async fn use_code(app: &App, user: &User, code: &str) -> Result<bool> {
    let Some(proof) = examine(app, user, code)
        .await?
        .filter(|_| user.second_factor)
    else {
        return Ok(false);
    };
    let user = user.clone();
    app.store.write(move |tx| accept(tx, &user, &proof)).await
}

/// Turns on what was begun, by a first code of the app. Returns the recovery codes.
///
/// # Errors
/// [`Error::Invalid`] for a wrong code.
pub async fn turn_on(app: &App, by: AuditActor, user: &User, code: &str) -> Result<RecoveryCodes> {
    let (codes, hashes) = recovery_codes()?;
    let wrong = || Error::invalid("code", rule::wrong());
    let proof = examine(app, user, code).await?.ok_or_else(wrong)?;
    let user = user.clone();
    app.store
        .write(move |tx| {
            if !accept(tx, &user, &proof)? {
                return Err(wrong());
            }
            second_factors::turn_on(tx, user.key, &hashes)?;
            audit::note(tx, &by, Action::SecondFactorSet, user.id().as_str(), "")?;
            tx.emit(Effect::UserChanged(user.id().clone()));
            Ok(codes)
        })
        .await
}

/// Replaces the recovery codes.
///
/// # Errors
/// [`Conflict::NoSecondFactor`].
pub async fn renew_recovery_codes(app: &App, by: AuditActor, user: &User) -> Result<RecoveryCodes> {
    let (codes, hashes) = recovery_codes()?;
    let user = user.clone();
    app.store
        .write(move |tx| {
            if users::by_key(tx, user.key)?.is_none_or(|user| !user.second_factor) {
                return Err(Error::Conflict(Conflict::NoSecondFactor));
            }
            second_factors::set_recovery_codes(tx, user.key, &hashes)?;
            let detail = "recovery codes";
            audit::note(tx, &by, Action::SecondFactorSet, user.id().as_str(), detail)?;
            Ok(codes)
        })
        .await
}

/// Takes a user's away: one's own, or that of somebody who has lost the app.
///
/// # Errors
/// [`Noun::User`] not found.
pub async fn remove(app: &App, by: AuditActor, id: UserId) -> Result<()> {
    let app_in = app.clone();
    app.store
        .write(move |tx| {
            let user = users::by_id(tx, &id)?.ok_or(Error::NotFound(Noun::User))?;
            second_factors::remove(tx, user.key)?;
            if user.second_factor {
                audit::note(tx, &by, Action::SecondFactorRemoved, id.as_str(), "")?;
                duties::note_access(tx, &app_in, &by, &user)?;
            }
            tx.emit(Effect::UserChanged(id.clone()));
            Ok(())
        })
        .await
}
