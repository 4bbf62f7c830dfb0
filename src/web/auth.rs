//! Who is asking. Secrets are compared in constant time, against the present and the previous secret of every source,
//! without stopping at the first that fits.
//!
//! An alert may prove itself by `secret_key` in its body, by `X-Signature` (hex HMAC-SHA256 of the raw body) or by the
//! token at the end of its address. What is there must hold, all of it, and for one and the same source.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::settings::{ApiKey, Holder, Source};

/// What an alert brought along to prove itself. Never printed.
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    /// `secret_key` of the body; `Some("")` when it was there and is no text.
    pub secret: Option<&'a str>,
    /// The `X-Signature` header.
    pub signature: Option<&'a [u8]>,
    /// The last part of the address.
    pub token: Option<&'a str>,
    /// The raw body.
    pub body: &'a [u8],
}

impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kinds())
    }
}

impl Presented<'_> {
    /// Which kinds of proof were there, for the log: `token+body`, or `none`.
    #[must_use]
    pub fn kinds(&self) -> String {
        let mut kinds = Vec::new();
        for (name, is_there) in [("token", self.token.is_some()), ("signature", self.signature.is_some()), ("body", self.secret.is_some())]
        {
            if is_there {
                kinds.push(name);
            }
        }
        if kinds.is_empty() { "none".to_owned() } else { kinds.join("+") }
    }
}

/// One secret, ready to be compared.
struct Proof {
    owner: usize,
    digest: [u8; 32],
    mac: Hmac<Sha256>,
}

/// Knows the secrets of all sources.
pub struct Authenticator {
    proofs: Vec<Proof>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").field("secrets", &self.proofs.len()).finish()
    }
}

impl Authenticator {
    /// The secrets of these sources. An empty secret proves nothing.
    #[must_use]
    pub fn new(sources: &[Source]) -> Self {
        let secrets = sources
            .iter()
            .enumerate()
            .flat_map(|(owner, source)| std::iter::once(&source.current).chain(&source.previous).map(move |secret| (owner, secret)));
        Self { proofs: secrets.filter_map(|(owner, secret)| proof(owner, secret)).collect() }
    }

    /// The source (by its place) for which everything that was presented holds; `None` if there is none, or nothing was
    /// presented.
    #[must_use]
    pub fn source(&self, presented: &Presented<'_>) -> Option<usize> {
        let mut holds: Option<BTreeSet<usize>> = None;
        let claims = [
            presented.secret.map(|text| self.by_text(text.as_bytes())),
            presented.token.map(|text| self.by_text(text.as_bytes())),
            presented.signature.map(|hex| self.by_signature(hex, presented.body)),
        ];
        for owners in claims.into_iter().flatten() {
            holds = Some(match holds {
                Some(before) => before.intersection(&owners).copied().collect(),
                None => owners,
            });
        }
        holds.and_then(|owners| owners.first().copied())
    }

    fn by_text(&self, text: &[u8]) -> BTreeSet<usize> {
        let given = digest(text);
        self.owners(|proof| proof.digest.ct_eq(&given).into())
    }

    fn by_signature(&self, signature: &[u8], body: &[u8]) -> BTreeSet<usize> {
        let given = from_hex(signature);
        self.owners(|proof| {
            let mut mac = proof.mac.clone();
            mac.update(body);
            let expected: [u8; 32] = mac.finalize().into_bytes().into();
            // Compared with zeros when it is no hex at all, so that the work is the same.
            let fits: bool = expected.ct_eq(&given.unwrap_or([0; 32])).into();
            fits & given.is_some()
        })
    }

    /// Looks at every secret, whatever was found before.
    fn owners(&self, fits: impl Fn(&Proof) -> bool) -> BTreeSet<usize> {
        let verdicts: Vec<(usize, bool)> = self.proofs.iter().map(|proof| (proof.owner, fits(proof))).collect();
        verdicts.into_iter().filter(|(_, fits)| *fits).map(|(owner, _)| owner).collect()
    }
}

fn proof(owner: usize, secret: &SecretString) -> Option<Proof> {
    let secret = secret.expose_secret().as_bytes();
    if secret.is_empty() {
        return None;
    }
    // An HMAC takes a key of any length.
    let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    Some(Proof { owner, digest: digest(secret), mac })
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// 64 hex digits, in either case.
fn from_hex(text: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0u8; 32];
    if text.len() != 64 {
        return None;
    }
    for (slot, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        let mut value = 0u32;
        for digit in pair {
            value = value * 16 + char::from(*digit).to_digit(16)?;
        }
        *slot = u8::try_from(value).ok()?;
    }
    Some(bytes)
}

/// The keys of the dashboard API.
pub struct Keys(Vec<(Holder, [u8; 32])>);

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(holder, _)| &holder.name)).finish()
    }
}

impl Keys {
    /// The set of these keys. A key whose text is empty opens nothing.
    #[must_use]
    pub fn new(keys: &[ApiKey]) -> Self {
        let usable = keys.iter().filter(|key| !key.secret.expose_secret().is_empty());
        let holder = |key: &ApiKey| Holder { name: key.name.clone(), scope: key.scope.clone(), addresses: key.addresses.clone() };
        Self(usable.map(|key| (holder(key), digest(key.secret.expose_secret().as_bytes()))).collect())
    }

    /// Whose key it is.
    #[must_use]
    pub fn holder(&self, key: &str) -> Option<&Holder> {
        let given = digest(key.as_bytes());
        let verdicts: Vec<bool> = self.0.iter().map(|(_, digest)| digest.ct_eq(&given).into()).collect();
        self.0.iter().zip(verdicts).find(|(_, fits)| *fits).map(|((holder, _), _)| holder)
    }

    /// The holder of this name, if its key is still the one of this SHA-256, as hex.
    #[must_use]
    pub fn named(&self, name: &str, hash: &str) -> Option<&Holder> {
        let given = from_hex(hash.as_bytes())?;
        self.0.iter().find(|(holder, digest)| holder.name == name && bool::from(digest.ct_eq(&given))).map(|(holder, _)| holder)
    }
}

/// SHA-256 of a body, as it is stored: over [`super::json::Json::canonical`] without its `secret_key`.
#[must_use]
pub fn body_hash(canonical: &str) -> [u8; 32] {
    digest(canonical.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"legs":[]}"#;

    fn sources() -> Authenticator {
        let mut rotated = Source::new("b", SecretString::from("beta-new"));
        rotated.previous = Some(SecretString::from("beta-old"));
        Authenticator::new(&[Source::new("a", SecretString::from("alpha")), rotated, Source::new("empty", SecretString::from(""))])
    }

    fn sign(secret: &str, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Every combination of absent, right, other source's and wrong, for the three proofs.
    #[test]
    fn everything_presented_must_hold_for_one_source() {
        let auth = sources();
        let texts = [
            (None, None),
            (Some("alpha"), Some(0)),
            (Some("beta-old"), Some(1)),
            (Some("beta-new"), Some(1)),
            (Some("no"), None),
            (Some(""), None),
        ];
        let signatures: Vec<(Option<String>, Option<usize>)> = vec![
            (None, None),
            (Some(sign("alpha", BODY)), Some(0)),
            (Some(sign("beta-old", BODY).to_uppercase()), Some(1)),
            (Some(sign("alpha", b"other")), None),
            (Some("0".repeat(64)), None),
            (Some("zz".to_owned()), None),
        ];
        for (secret, by_secret) in texts {
            for (token, by_token) in texts {
                for (signature, by_signature) in &signatures {
                    let presented = Presented { secret, token, signature: signature.as_deref().map(str::as_bytes), body: BODY };
                    let claims = [(secret.is_some(), by_secret), (token.is_some(), by_token), (signature.is_some(), *by_signature)];
                    let given: Vec<Option<usize>> = claims.into_iter().filter(|(is_there, _)| *is_there).map(|(_, owner)| owner).collect();
                    let expected = match given.first() {
                        Some(Some(owner)) if given.iter().all(|other| *other == Some(*owner)) => Some(*owner),
                        _ => None,
                    };
                    assert_eq!(auth.source(&presented), expected, "{secret:?} {token:?} {signature:?}");
                }
            }
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let presented = Presented { secret: Some("alpha"), token: Some("beta"), signature: None, body: b"gamma" };
        assert_eq!(format!("{presented:?}"), "token+body");
        assert!(!format!("{:?}", sources()).contains("alpha"));
        assert!(!format!("{:?}", Source::new("a", SecretString::from("alpha"))).contains("alpha"));
    }

    #[test]
    fn keys_have_owners() {
        let keys = Keys::new(&[ApiKey::new("asha", SecretString::from("k1")), ApiKey::new("nobody", SecretString::from(""))]);
        assert_eq!(keys.holder("k1").map(|holder| holder.name.as_str()), Some("asha"));
        assert_eq!(keys.holder("k2"), None);
        assert_eq!(keys.holder(""), None);
        let hash: String = digest(b"k1").iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(keys.named("asha", &hash).is_some());
        assert!(keys.named("asha", &"0".repeat(64)).is_none() && keys.named("nobody", &hash).is_none(), "another key is another holder");
    }
}
