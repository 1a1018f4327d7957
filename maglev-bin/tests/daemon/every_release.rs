//! One list of the releases that tests run on.

use vpp_sim::Release;

/// Makes each of these functions, which take a `Release`, a test on every release that the simulator plays, or on those
/// that are `before V26_10`.
macro_rules! on_every_release {
    (before V26_10: $($test:ident),* $(,)?) => {
        on_every_release! { @ [] $($test)* }
    };
    ($($test:ident),* $(,)?) => {
        on_every_release! { @ [V26_10] $($test)* }
    };
    (@ $newest:tt $($test:ident)*) => {
        $(on_every_release! { @ $test $newest })*
    };
    (@ $test:ident [$($newest:ident)*]) => {
        mod $test {
            use vpp_sim::Release;

            #[rstest::rstest]
            #[tokio::test(flavor = "multi_thread")]
            async fn on(
                #[values(Release::V24_10, Release::V25_10, Release::V26_06 $(, Release::$newest)*)] release: Release,
            ) {
                super::$test(release).await;
            }
        }
    };
}

pub(crate) use on_every_release;

const _: () = assert!(Release::ALL.len() == 4, "another release belongs into the list above");
