// SPDX-License-Identifier: GPL-2.0-only
#[test]
fn dump() {
    let found = nfsd_check::mutants::sites::find();
    for s in &found.sites {
        if !s.weakenings.is_empty() {
            println!(
                "{}:{}:{} {} {:?}",
                s.place.file,
                s.place.line,
                s.place.column,
                s.name(),
                s.weakenings
            );
        }
    }
}
