//! The one form in which a key is declared, and all that is made from it.

/// Declares every section and key of the configuration.
///
/// One entry says all there is to say about a key: its documentation, how a changed value takes effect
/// (`reload` or `restart`), its name, type, default, and kind (which knows limits and units). From the entries come
/// the structs, [`Settings::default`](super::Settings), and the table [`SECTIONS`](super::SECTIONS), on which
/// reading, checking, showing and the example file stand. A default must satisfy its own kind; a test sees to it.
macro_rules! settings {
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $Section:ident {
            $(
                $(#[doc = $doc:literal])+
                $taken:ident $key:ident: $type:ty = $default:expr, $kind:expr;
            )+
        }
    )+) => {
        $(
            $(#[doc = $section_doc])+
            #[derive(Debug, Clone, PartialEq)]
            pub struct $Section {
                $($(#[doc = $doc])+ pub $key: $type,)+
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($key: $default,)+ }
                }
            }
        )+

        /// Every setting of the daemon, checked. [`Settings::default`] is what holds without any file.
        #[derive(Debug, Clone, PartialEq, Default)]
        pub struct Settings {
            $($(#[doc = $section_doc])+ pub $section: $Section,)+
        }

        /// Every section with its keys, in the order in which they are shown.
        pub static SECTIONS: &[$crate::config::key::Section] = &[$(
            $crate::config::key::Section {
                name: stringify!($section),
                docs: &[$($section_doc),+],
                keys: &[$(
                    {
                        // Ties the kind to the type of the field, for the compiler to hold them together.
                        fn kind() -> impl Kind<Value = $type> {
                            $kind
                        }
                        $crate::config::key::Key {
                            section: stringify!($section),
                            name: stringify!($key),
                            path: concat!(stringify!($section), ".", stringify!($key)),
                            docs: &[$($doc),+],
                            taken: $crate::config::define::taken!($taken),
                            expected: || kind().expected(),
                            example: || kind().write(&Settings::default().$section.$key).or_else(|| kind().example()),
                            parse_text: |text| kind().parse_text(text),
                            assign: |settings, value| {
                                settings.$section.$key = kind().read(value)?;
                                Ok(())
                            },
                            value: |settings| kind().write(&settings.$section.$key),
                            differs: |one, other| one.$section.$key != other.$section.$key,
                        }
                    },
                )+],
            },
        )+];
    };
}

/// The word before a key, as a value.
macro_rules! taken {
    (reload) => {
        $crate::config::key::Taken::Reload
    };
    (restart) => {
        $crate::config::key::Taken::Restart
    };
}

pub(super) use {settings, taken};
