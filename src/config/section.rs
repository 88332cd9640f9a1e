//! One section of the configuration: each key once, with its type, its default and what it does.

/// What a section tells of its keys.
pub trait Section {
    /// Each key and the lines of its doc comment, in the order of the sample file.
    const KEYS: &'static [(&'static str, &'static [&'static str])];
}

/// The name of a key: `match` for `r#match`, which Rust keeps for itself.
pub const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// Declares the struct of a section. A key is `/// What it does.`, then `pub name: Type = default,`; the doc comment is what
/// the sample file and the documentation show. `nested { … }` at the end names sections below this one.
macro_rules! section {
    (
        $(#[$about:meta])*
        pub struct $section:ident {
            $(
                $(#[doc = $line:literal])+
                $(#[serde($($serde:tt)*)])?
                pub $key:ident: $type:ty = $default:expr,
            )+
            $(nested { $(pub $nested:ident: $nested_type:ty,)+ })?
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $section {
            $(
                $(#[doc = $line])+
                $(#[serde($($serde)*)])?
                pub $key: $type,
            )+
            $($(pub $nested: $nested_type,)+)?
        }

        impl Default for $section {
            fn default() -> Self {
                $section {
                    $($key: $default,)+
                    $($($nested: Default::default(),)+)?
                }
            }
        }

        impl $crate::config::section::Section for $section {
            const KEYS: &'static [(&'static str, &'static [&'static str])] =
                &[$(($crate::config::section::plain(stringify!($key)), &[$($line),+]),)+];
        }
    };
}

/// Reads a type from its text, and writes it as such.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

pub(super) use {as_text, section};
