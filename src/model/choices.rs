// SPDX-License-Identifier: GPL-2.0-only
//! The choices: where the patches of the thread differ, one enum for each.
//!
//! A patch is a choice at the spot where its diff sits: the function named here matches on the
//! enum and does the one or the other. One table says which choices there are; it makes the enums,
//! reads and prints their names, and answers `list choices`. A new patch is a new value, or a new
//! choice whose default is what the kernel does today.

use serde::Serialize;
use std::fmt;

/// A choice as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The name in a model's file.
    pub name: &'static str,
    /// What it decides.
    pub about: &'static str,
    /// The kernel functions that it sits in.
    pub functions: &'static [&'static str],
    /// What may be chosen.
    pub values: &'static [ChoiceValue],
}

/// A value of a choice as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChoiceValue {
    /// The name in a model's file.
    pub name: &'static str,
    /// What the kernel does then.
    pub about: &'static str,
    /// The mail or commit that it is from.
    pub source: &'static str,
}

impl Choice {
    /// The choice of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<&'static Self> {
        CHOICES.iter().find(|choice| choice.name == name)
    }
}

macro_rules! choices {
    ($(
        $field:ident: $type:ident, $about:literal, in [$($function:literal),+] {
            $(
                $(#[$default:meta])?
                $variant:ident = $name:literal, $value_about:literal, $source:literal;
            )+
        }
    )+) => {
        $(
            #[doc = $about]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
            pub enum $type {
                $(
                    #[doc = $value_about]
                    #[doc = ""]
                    #[doc = $source]
                    $(#[$default])?
                    #[serde(rename = $name)]
                    $variant,
                )+
            }

            impl $type {
                /// All values, in the order in which they are listed.
                pub const ALL: &'static [Self] = &[$(Self::$variant),+];

                /// The name in a model's file.
                #[must_use]
                pub fn name(self) -> &'static str {
                    match self {
                        $(Self::$variant => $name,)+
                    }
                }

                /// The value of that name.
                #[must_use]
                pub fn from_name(name: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|value| value.name() == name)
                }
            }

            impl fmt::Display for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.pad(self.name())
                }
            }
        )+

        /// What is chosen, of each choice one. The default is what was merged in the end, v4.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
        pub struct Choices {
            $(
                #[doc = $about]
                pub $field: $type,
            )+
        }

        impl Choices {
            /// The name of what is chosen, by the name of the choice.
            #[must_use]
            pub fn get(&self, choice: &str) -> Option<&'static str> {
                match choice {
                    $(stringify!($field) => Some(self.$field.name()),)+
                    _ => None,
                }
            }

            /// Choose, by the names of the choice and of its value. Returns whether there are such
            /// names; where not, nothing changes.
            #[must_use]
            pub fn set(&mut self, choice: &str, value: &str) -> bool {
                match choice {
                    $(
                        stringify!($field) => match $type::from_name(value) {
                            Some(value) => {
                                self.$field = value;
                                true
                            }
                            None => false,
                        },
                    )+
                    _ => false,
                }
            }
        }

        /// All choices, in the order in which they are listed.
        pub const CHOICES: &[Choice] = &[
            $(
                Choice {
                    name: stringify!($field),
                    about: $about,
                    functions: &[$($function),+],
                    values: &[
                        $(
                            ChoiceValue {
                                name: $name,
                                about: $value_about,
                                source: $source,
                            },
                        )+
                    ],
                },
            )+
        ];
    };
}

choices! {
    put_local_order: PutLocalOrder,
    "Which of the pair the end of a LOCALIO I/O drops first, the file or the net's reference.",
    in ["nfsd_file_put_local"] {
        #[default]
        FileThenNet = "file-then-net",
        "The file first: the net's reference still holds up the shutdown while the file is freed.",
        "before the series; asked for again by Message-Id 0d16e520-3e78-4b2b-b624-4376a1f0e075@app.fastmail.com";
        NetThenFile = "net-then-file",
        "The net's reference first: the shutdown may finish while the file is still to be put.",
        "Message-Id 20260601-nfsd-testing-v1-8-d0f61e536df8@kernel.org, kept in 20260602-nfsd-testing-v2-8-e4ea62e3cd5c@kernel.org";
    }

    net_ref: NetRef,
    "Whether and when a file takes a counted reference on its struct net.",
    in ["nfsd_file_alloc", "nfsd_file_dispose_list_delayed", "nfsd_file_free"] {
        #[default]
        None = "none",
        "Never: the pointer is plain.",
        "before the series, and v4: Message-Id 20260604-nfsd-testing-v4-1-3aeb1479c5bb@kernel.org";
        AtAlloc = "at-alloc",
        "Each file, when it is allocated.",
        "Message-Id 20260601-nfsd-testing-v1-8-d0f61e536df8@kernel.org";
        AtAllocGc = "at-alloc-gc",
        "A garbage-collected file, when it is allocated.",
        "Message-Id 0d16e520-3e78-4b2b-b624-4376a1f0e075@app.fastmail.com, planned in 51c047425b6e19f6bfe3067a2fe59676eb00380b.camel@kernel.org";
        AtDispose = "at-dispose",
        "A file that is queued for its net's threads to free, when it is queued.",
        "Message-Id 20260602-nfsd-testing-v2-8-e4ea62e3cd5c@kernel.org";
    }

    gc_lock_gc: GcLockGc,
    "How far the laundrette holds nfsd_gc_lock.",
    in ["nfsd_file_gc"] {
        Walk = "walk",
        "Over the walk of the LRU; what it takes off is queued with no lock held.",
        "before the series";
        #[default]
        WalkAndQueue = "walk-and-queue",
        "Over the walk and the queueing of what it takes off.",
        "Message-Id 20260604-nfsd-testing-v4-1-3aeb1479c5bb@kernel.org, merged as 40162cfea79b";
    }

    gc_lock_shrinker: GcLockShrinker,
    "How far a scan of the shrinker holds nfsd_gc_lock.",
    in ["nfsd_file_lru_scan"] {
        Walk = "walk",
        "Over the walk of the LRU; what it takes off is queued with no lock held.",
        "before the series";
        #[default]
        WalkAndQueue = "walk-and-queue",
        "Over the walk and the queueing of what it takes off.",
        "Message-Id 20260604-nfsd-testing-v4-1-3aeb1479c5bb@kernel.org, merged as 40162cfea79b";
    }

    gc_lock_close_inode: GcLockCloseInode,
    "Whether the lease and fsnotify callbacks hold nfsd_gc_lock while they close an inode's files.",
    in ["nfsd_file_close_inode"] {
        None = "none",
        "No lock at all.",
        "before the series";
        #[default]
        WalkAndQueue = "walk-and-queue",
        "Over the look-up and the queueing of what it unhashes.",
        "Message-Id 20260604-nfsd-testing-v4-1-3aeb1479c5bb@kernel.org, merged as 40162cfea79b";
    }

    shutdown_barrier: ShutdownBarrier,
    "Where a net's shutdown takes and releases nfsd_gc_lock, to wait for who holds it.",
    in ["nfsd_file_cache_shutdown_net"] {
        None = "none",
        "Nowhere.",
        "before the series";
        BeforePurge = "before-purge",
        "Before the purge of the hash table.",
        "no mail: the barrier of v4 one step too early, as a control";
        #[default]
        AfterPurge = "after-purge",
        "Between the purge of the hash table and the drain of the net's dispose list.",
        "Message-Id 20260604-nfsd-testing-v4-1-3aeb1479c5bb@kernel.org, merged as 40162cfea79b";
    }

    dispose_list: DisposeList,
    "Where the list of a net's files to be freed lives.",
    in [
        "nfsd_file_cache_start_net",
        "nfsd_file_dispose_list_delayed",
        "nfsd_file_net_dispose",
        "nfsd_file_cache_shutdown_net"
    ] {
        Separate = "separate",
        "In an allocation of its own, freed when the net's server stops.",
        "before the series, since 1463b38e7cf3";
        #[default]
        Inline = "inline",
        "In struct nfsd_net, and as long-lived.",
        "Message-Id 20260601-nfsd-testing-v1-7-d0f61e536df8@kernel.org, merged as bbf13732f743";
    }

    free_unhash: FreeUnhash,
    "Whether a file that somebody else has begun to unhash is taken out of the table before it is freed.",
    in ["nfsd_file_free"] {
        #[default]
        IfHashed = "if-hashed",
        "Whoever cleared HASHED does it, which may be after call_rcu().",
        "every tree so far";
        Always = "always",
        "The one that frees it does it, too.",
        "no mail: what would close the race of the scenario flush-vs-lookup";
    }

    wake_guard: WakeGuard,
    "How whoever queues a file looks at the net's server before it wakes a thread of it.",
    in ["nfsd_file_dispose_list_delayed"] {
        #[default]
        LoadOnceTest = "load-once-test",
        "The pointer is loaded once and tested.",
        "b9382e29ca53; Message-Id 20250125-kdevops-v1-1-a76cf79127b8@kernel.org";
        None = "none",
        "It is not tested: the server may be gone.",
        "before b9382e29ca53, since ffb402596147; Debian bug 1093734";
        TestThenReload = "test-then-reload",
        "It is tested and loaded again, as a compiler may do where nothing says READ_ONCE.",
        "the concern of the thread that led to b9382e29ca53; READ_ONCE() was not added";
    }

    net_dispose_guard: NetDisposeGuard,
    "Whether a service thread that leaves files on the list tests for a server before it wakes the next.",
    in ["nfsd_file_net_dispose"] {
        #[default]
        Tested = "tested",
        "It does.",
        "Message-Id 20260601-nfsd-testing-v1-4-d0f61e536df8@kernel.org, merged as 9f1ddfc8cb90";
        None = "none",
        "It does not: as long as a thread runs there is a server.",
        "before 9f1ddfc8cb90";
    }

    queue_wakes: QueueWakes,
    "Whether whoever queues a file wakes a service thread to free it.",
    in ["nfsd_file_dispose_list_delayed"] {
        #[default]
        Yes = "yes",
        "It does.",
        "92e4a6733f92; Message-Id 20230414213144.385947-1-jlayton@kernel.org";
        No = "no",
        "It does not: the file waits for the next request.",
        "the first version of 92e4a6733f92: Message-Id 20230118173139.71846-4-jlayton@kernel.org";
    }

    wake_order: WakeOrder,
    "Whether a service thread that takes a wake-up sees what it is about.",
    in ["svc_wake_up"] {
        #[default]
        None = "none",
        "Not under weak memory: set_bit() orders nothing.",
        "every tree so far";
        Barrier = "barrier",
        "smp_mb__before_atomic() comes before set_bit(); the thread has its barrier anyway.",
        "no mail: what would close the race of the scenario wake-up-vs-request";
    }

    purge: Purge,
    "What a purge does with the files that it finds in the table.",
    in ["__nfsd_file_cache_purge"] {
        #[default]
        Conditional = "conditional",
        "It unhashes them, and frees those that nobody uses.",
        "4bdbba54e9b1; Message-Id 20230120195215.42243-1-jlayton@kernel.org";
        Unconditional = "unconditional",
        "It unhashes and frees them all.",
        "before 4bdbba54e9b1, since ac3a2585f018";
    }

    purge_net: PurgeNet,
    "Whose files the stop of one net's server purges.",
    in ["nfsd_file_cache_purge"] {
        #[default]
        Own = "own",
        "Those of the net.",
        "5e113224c17e";
        All = "all",
        "Those of every net.",
        "before 5e113224c17e";
    }

    state_shutdown: StateShutdown,
    "When a stop puts the files that NFSv4 state holds.",
    in ["nfsd_shutdown_net"] {
        #[default]
        BeforeCache = "before-cache",
        "Before the net's part of the file cache is shut down.",
        "789e1e10f214";
        AfterCache = "after-cache",
        "After it.",
        "before 789e1e10f214";
    }

    acquire_retry: AcquireRetry,
    "What becomes of a file that was unhashed while an acquire waited for its construction.",
    in ["nfsd_file_do_acquire"] {
        #[default]
        Puts = "puts",
        "It is put before the acquire tries again.",
        "8a7926176378";
        Forgets = "forgets",
        "The acquire tries again and forgets its reference.",
        "before 8a7926176378, since c6593366c0bf";
    }

    opened_file: OpenedFile,
    "When an acquire with a file that is open already sets nf_file.",
    in ["nfsd_file_do_acquire"] {
        #[default]
        UnderPending = "under-pending",
        "During construction, while others wait.",
        "0b3a551fa58b; Message-Id 20230105195556.1557555-1-jlayton@kernel.org";
        AfterPending = "after-pending",
        "When it has returned, by its caller.",
        "before 0b3a551fa58b, since fb70bf124b05";
    }

    pending_wait: PendingWait,
    "How the wait for the end of a construction reads the PENDING bit.",
    in ["nfsd_file_do_acquire"] {
        #[default]
        Acquire = "acquire",
        "With acquire.",
        "8238b4579866, for every wait_on_bit()";
        Relaxed = "relaxed",
        "Relaxed: what the constructor wrote need not be seen yet.",
        "before 8238b4579866; Message-Id 34bd5595-8f3f-4c52-a1d5-d782fc99efb9@huawei.com";
    }

    pending_clear: PendingClear,
    "How the end of a construction clears the PENDING bit.",
    in ["nfsd_file_do_acquire"] {
        #[default]
        Release = "release",
        "With release.",
        "every tree: clear_bit_unlock()";
        Relaxed = "relaxed",
        "Relaxed.",
        "no tree: the other half of pending_wait, as a control";
    }

    flags_init: FlagsInit,
    "When a new file's HASHED and PENDING are set.",
    in ["nfsd_file_alloc", "nfsd_file_do_acquire"] {
        #[default]
        BeforeInsert = "before-insert",
        "Before it goes into the table.",
        "c4c649ab413b";
        AfterInsert = "after-insert",
        "One after the other when it is in the table.",
        "before c4c649ab413b";
    }

    lookup_rcu: LookupRcu,
    "Whether a look-up is one RCU read section from the table to the reference.",
    in ["nfsd_file_do_acquire"] {
        #[default]
        On = "on",
        "It is.",
        "243a5263014a; Message-Id 20220930191550.172087-2-jlayton@kernel.org";
        Off = "off",
        "The section ends with the look at the table.",
        "before 243a5263014a";
    }

    insert_error: InsertError,
    "What an acquire reads of a file that could not go into the table, when it has been freed.",
    in ["nfsd_file_do_acquire"] {
        #[default]
        ReadsNothing = "reads-nothing",
        "Nothing.",
        "bdd6b5624c62";
        ReadsFile = "reads-file",
        "What its tracepoint prints.",
        "before bdd6b5624c62, since 243a5263014a";
    }

    close_check: CloseCheck,
    "How whoever closes the files of an inode makes sure that a file is not in use.",
    in ["nfsd_file_queue_for_close"] {
        #[default]
        UnhashFirst = "unhash-first",
        "It unhashes the file, and then looks whether its references were the last ones.",
        "243a5263014a and the rest of its series";
        ReadFirst = "read-first",
        "It reads the count, and leaves a file alone that has more than the LRU's; a reference may be got between that and the unhashing.",
        "Message-Id 20220930191550.172087-3-jlayton@kernel.org, not merged in this form";
    }

    close_sync: CloseSync,
    "What becomes of other nets' files where a service thread closes the files of an inode and waits.",
    in ["nfsd_file_close_inode_sync"] {
        #[default]
        FreesAll = "frees-all",
        "It frees them, with its own.",
        "every tree so far";
        QueuesOthers = "queues-others",
        "It hands them to their own nets, with nfsd_gc_lock held since it has begun to look, as who does not wait does.",
        "no mail: what would close the races of the scenarios close-sync-vs-stop and close-sync-vs-netns-exit";
    }

    export_check: ExportCheck,
    "Which files nfsd_file_close_export() looks at the open file of.",
    in ["nfsd_file_close_export"] {
        #[default]
        Opened = "opened",
        "All that have one.",
        "Message-Id 20260318-umount-kills-nfsv4-state-v4-6-56aad44ab982@oracle.com; linux-nfs/nfsd at 18c4be5b4a1c";
        Constructed = "constructed",
        "Those that are not PENDING any more.",
        "no mail: what would close the race of the scenario close-export-vs-acquire";
    }

    opened_test: OpenedTest,
    "Whether an acquire that is given a file looks whether that was opened.",
    in ["nfsd_file_do_acquire"] {
        #[default]
        Given = "given",
        "It does not: what is given is taken.",
        "before dentry_create() could hand over what is not opened (64a989dbd144)";
        Opened = "opened",
        "It does, and opens the inode where it was not.",
        "linux-nfs/nfsd at 18c4be5b4a1c";
    }

    dir_marks: DirMarks,
    "Whether the file of a directory has a mark, and in which group.",
    in [
        "nfsd_file_do_acquire",
        "nfsd_file_mark_find_or_create",
        "nfsd_file_cache_init",
        "nfsd_file_cache_shutdown"
    ] {
        #[default]
        None = "none",
        "It has none.",
        "Message-Id 20251021-dir-deleg-ro-v3-10-a08b1cde9f4c@kernel.org";
        OwnGroup = "own-group",
        "It has one in nfsd_dir_fsnotify_group.",
        "linux-nfs/nfsd at 18c4be5b4a1c; the series of Message-Id 20260428-dir-deleg-v3-0-5a0780ba9def@kernel.org";
    }

    recalc_mutex: RecalcMutex,
    "Whether whoever works out the mask of a directory's mark keeps others from it. Only where dir_marks is own-group.",
    in ["nfsd_fsnotify_recalc_mask"] {
        #[default]
        Taken = "taken",
        "It does, from the look at the leases to the change of the mask, with nfm_recalc_mutex.",
        "linux-nfs/nfsd at 18c4be5b4a1c";
        None = "none",
        "It does not.",
        "Message-Id 20260416-dir-deleg-v2-12-851426a550f6@kernel.org, not merged in this form";
    }

    service_threads: ServiceThreads,
    "Whether service threads come and go by themselves, where a server has a least number of them.",
    in ["nfsd"] {
        #[default]
        Fixed = "fixed",
        "They do not.",
        "before Message-Id 20260106-nfsd-dynathread-v2-7-416e5f27b2b6@kernel.org";
        Dynamic = "dynamic",
        "They do, each with the mutex of who controls the server, if it is free.",
        "Message-Id 20260106-nfsd-dynathread-v2-7-416e5f27b2b6@kernel.org; linux-nfs/nfsd at 18c4be5b4a1c";
    }

    put_reads: PutReads,
    "What a put reads of the file when it has dropped its reference.",
    in ["nfsd_file_put"] {
        #[default]
        Nothing = "nothing",
        "Nothing.",
        "b6c71c66b0ad (CVE-2022-49362)";
        File = "file",
        "nf_file.",
        "before b6c71c66b0ad, since 999397926ab3";
    }

    put_local_rcu: PutLocalRcu,
    "What of the end of a LOCALIO I/O runs under RCU.",
    in ["nfsd_file_put_local"] {
        #[default]
        AroundNet = "around-net",
        "The put of the net's reference.",
        "c840b8e1f039";
        AroundBoth = "around-both",
        "The put of the file too, which may sleep.",
        "65f2a5c36635";
    }

    local_io_net_ref: LocalIoNetRef,
    "Whether a LOCALIO I/O through a cached file holds a reference to the server of its own.",
    in ["nfs_local_open_fh", "nfs_local_iocb_release"] {
        #[default]
        Held = "held",
        "It does: each file reference of a client comes with one.",
        "77e82fb2c6c2; Message-Id 20250509004852.3272120-3-neil@brown.name";
        None = "none",
        "It has a file reference only.",
        "before 77e82fb2c6c2, since 86e00412254a";
    }

    localio_install_rcu: LocalioInstallRcu,
    "Whether an open that finds the client's slot taken looks at what is there under RCU.",
    in ["nfsd_open_local_fh"] {
        #[default]
        On = "on",
        "It does, from before the compare-exchange on.",
        "Message-Id 20260601-nfsd-testing-v1-2-d0f61e536df8@kernel.org, merged as 58884694978a";
        Off = "off",
        "It does not.",
        "before 58884694978a, since e6f7e1487ab5";
    }

    lost_install: LostInstall,
    "What an open drops that finds the client's slot taken.",
    in ["nfsd_open_local_fh"] {
        #[default]
        PutsNet = "puts-net",
        "Both of the pair that was to go there.",
        "e5a73150776f; Message-Id 20250718012831.2187613-2-neil@brown.name";
        KeepsNet = "keeps-net",
        "The file, but not the reference to the server.",
        "before e5a73150776f, since e6f7e1487ab5";
    }

    install_get: InstallGet,
    "When an open that fills the client's slot takes the reference of its own I/O.",
    in ["nfsd_open_local_fh"] {
        #[default]
        BeforeInstall = "before-install",
        "Before the slot has the file.",
        "since e6f7e1487ab5";
        AfterInstall = "after-install",
        "Afterwards, in another RCU read section than the one that filled the slot.",
        "before fa7ab64f1e2f, since 86e00412254a, where the slot was filled under a lock";
    }

    add_file_failure: AddFileFailure,
    "What becomes of the pair that an open has for its caller where the client has forgotten the server meanwhile.",
    in ["nfs_open_local_fh"] {
        #[default]
        Puts = "puts",
        "It is put, and the open fails.",
        "Message-Id 20260601-nfsd-testing-v1-3-d0f61e536df8@kernel.org, merged as ca018c19e0ba";
        HandsOut = "hands-out",
        "The caller gets and uses it.",
        "before ca018c19e0ba, since fdd015de7679";
    }

    doio_error: DoioError,
    "What becomes of the pair of a LOCALIO I/O for which there is no memory.",
    in ["nfs_local_doio"] {
        #[default]
        Puts = "puts",
        "It is put.",
        "Message-Id 20260611-nfs-localio-v1-1-b42b2587b6c5@kernel.org";
        Forgets = "forgets",
        "Nobody puts it.",
        "before that, since 70ba381e1a43";
    }

    drain_wait: DrainWait,
    "When a stop waits for the last reference of a client to the server.",
    in ["nfsd_shutdown_net"] {
        #[default]
        AfterPurge = "after-purge",
        "When the clients have been made to put what they have cached.",
        "39972494e318; Message-Id 20241116014106.25456-7-snitzer@kernel.org";
        BeforePurge = "before-purge",
        "Before that.",
        "before 39972494e318";
    }

    init_error: InitError,
    "What a setup of the cache that fails leaves behind.",
    in ["nfsd_file_cache_init"] {
        #[default]
        ClearsUp = "clears-up",
        "Nothing.",
        "dc0d0f885aa4";
        LeavesUp = "leaves-up",
        "The bit that says that the cache is up.",
        "before dc0d0f885aa4, since c7b824c3d06c";
    }

    exit_ref: ExitRef,
    "Whether a stop ends the references to a server that was created and never brought up.",
    in ["nfsd_shutdown_net"] {
        #[default]
        Always = "always",
        "It does.",
        "0b88bfa42e54; Message-Id tencent_4DA6D7B3792370296083BAC4525778776405@qq.com";
        WhenUp = "when-up",
        "It does not.",
        "before 0b88bfa42e54, since 39972494e318";
    }

    exit_wait: ExitWait,
    "Whether a stop waits for who may still look at the references to the server before it ends them.",
    in ["nfsd_shutdown_net"] {
        #[default]
        None = "none",
        "It does not.",
        "every tree so far";
        GracePeriod = "grace-period",
        "It does, for a grace period.",
        "no mail: what would close the race of the scenario local-open-vs-stop-and-start";
    }

    uuid_begin: UuidBegin,
    "Whether a probe goes on where another one of the same client is under way.",
    in ["nfs_uuid_begin"] {
        #[default]
        ChecksLinked = "checks-linked",
        "It does not: the client is on a list already.",
        "bc2940869508";
        Adds = "adds",
        "It does, and adds the client a second time.",
        "before bc2940869508";
    }

    invalidate: Invalidate,
    "How the clients of a net are made to forget it, and what that is ordered with.",
    in [
        "nfs_localio_invalidate_clients",
        "nfs_uuid_put",
        "nfs_uuid_is_local",
        "nfs_uuid_end"
    ] {
        #[default]
        Walk = "walk",
        "They are moved to a list on the stack that is walked without a lock; a client that is busy forgetting is left to itself.",
        "every tree so far";
        OneByOne = "one-by-one",
        "The first one is taken again and again until there is none; whoever finds somebody else at it waits.",
        "no mail: what would close the races of the scenarios client-disable-vs-stop and client-umount-vs-stop";
    }

    lru: Lru,
    "When a garbage-collected file is on the LRU, and whose reference the LRU has.",
    in [
        "nfsd_file_put",
        "nfsd_file_lru_cb",
        "nfsd_file_gc_cb",
        "nfsd_file_gc_worker",
        "nfsd_file_do_acquire"
    ] {
        #[default]
        AtConstruction = "at-construction",
        "From its construction on, with a reference of its own.",
        "56221b42d717 and the rest of Message-Id 20250207051701.3467505-1-neilb@suse.de";
        ByPut = "by-put",
        "While nobody uses it: the last put hands its reference over, and the next look-up takes it back.",
        "v6.12 and its stable trees";
    }

    add_recheck: AddRecheck,
    "Whether a constructor that has put a file on the LRU looks whether it was unhashed meanwhile. Only where lru is at-construction.",
    in ["nfsd_file_do_acquire"] {
        #[default]
        No = "no",
        "It does not.",
        "every tree so far";
        Yes = "yes",
        "It does, and takes the file off the LRU again.",
        "no mail: what would close the race of the scenario flush-during-open";
    }

    put_recheck: PutRecheck,
    "Whether a put that has handed its reference to the LRU looks at the file once more. Only where lru is by-put.",
    in ["nfsd_file_put"] {
        No = "no",
        "It does not.",
        "Message-Id 20250207051701.3467505-1-neilb@suse.de, the patch that removes the race handling";
        #[default]
        Yes = "yes",
        "It does, and takes a file that was unhashed meanwhile off the LRU again.",
        "v6.12 and its stable trees";
    }

    dispose_link: DisposeLink,
    "Which list node of a file links it on a dispose list.",
    in [
        "nfsd_file_lru_cb",
        "nfsd_file_cond_queue",
        "nfsd_file_lru_remove",
        "nfsd_file_dispose_list",
        "nfsd_file_dispose_list_delayed",
        "nfsd_file_net_dispose"
    ] {
        #[default]
        Separate = "separate",
        "One of its own, nf_gc.",
        "8e6e2ffa6569; Message-Id 20240710144122.61685-1-youzhong@gmail.com";
        SharedWithLru = "shared-with-lru",
        "nf_lru, so that a file on a dispose list looks as if it were on the LRU.",
        "before 8e6e2ffa6569";
    }

    localio_gc: LocalioGc,
    "Whether files of LOCALIO are garbage-collected.",
    in ["nfsd_file_acquire_local"] {
        #[default]
        No = "no",
        "They are not: the last put frees them.",
        "since v6.13";
        Yes = "yes",
        "They are.",
        "v6.12 and its stable trees";
    }

    localio_invalidate: LocalioInvalidate,
    "When the clients of a net are made to forget it.",
    in ["__nfsd_file_cache_purge", "nfsd_net_pre_exit"] {
        #[default]
        Purge = "purge",
        "At each purge of the net, and before the net ends.",
        "since v6.14";
        PreExit = "pre-exit",
        "Before the net ends.",
        "v6.12 and its stable trees";
    }

    localio_client: LocalioClient,
    "What a client of LOCALIO keeps of its server, and under which locks.",
    in [
        "nfs_local_probe",
        "nfs_uuid_begin",
        "nfs_uuid_end",
        "nfs_uuid_is_local",
        "nfs_localio_disable_client",
        "nfs_localio_invalidate_clients",
        "nfs_open_local_fh",
        "nfs_local_open_fh",
        "nfs_local_doio",
        "nfs_close_local_fh"
    ] {
        #[default]
        CachesFiles = "caches-files",
        "The namespace, and the files that its open contexts cache, under a lock of its own.",
        "since v6.14";
        OneLock = "one-lock",
        "The namespace only, under a lock for all clients, and a bit that says whether it is used. Choices about cached files, doio_error, local_io_net_ref and invalidate decide nothing.",
        "v6.12 and its stable trees";
    }

    unused_disable: UnusedDisable,
    "Whether a client that knows a namespace and does not use it is made to forget it when it is disabled, as it is when it goes away. Only where localio_client is one-lock.",
    in ["nfs_local_disable"] {
        #[default]
        No = "no",
        "It is not.",
        "v6.12 and its stable trees";
        Yes = "yes",
        "It is.",
        "no mail: what would close the race of the scenario client-umount-after-killed-probe";
    }

    mark_group: MarkGroup,
    "Which group a mark is destroyed in.",
    in ["nfsd_file_mark_put"] {
        #[default]
        Own = "own",
        "The mark's own.",
        "linux-nfs/nfsd at 18c4be5b4a1c";
        Global = "global",
        "The one that the global points to, which is NULL when the cache is gone.",
        "v6.12 and its stable trees";
    }

    mutexes: Mutexes,
    "What serialises the control of servers, and the setup and teardown of the cache that they share.",
    in [
        "nfsd_svc",
        "nfsd_shutdown_threads",
        "nfsd_startup_generic",
        "nfsd_shutdown_generic",
        "nfsd_shutdown_net",
        "nfsd_file_cache_purge",
        "nfsd_file_close_export",
        "expkey_flush"
    ] {
        #[default]
        One = "one",
        "One nfsd_mutex for everything.",
        "before the per-namespace control of September 2026";
        Split = "split",
        "nn->nfsd_mutex for the server of a net, and inside it nfsd_global_mutex for what all share.",
        "e852dbb15cad, 7e3dc386e345; linux-nfs/nfsd at 18c4be5b4a1c";
    }
}

impl Choices {
    /// The names of the choices and of what is chosen, in the order in which they are listed.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str)> + '_ {
        CHOICES
            .iter()
            .filter_map(|choice| Some((choice.name, self.get(choice.name)?)))
    }
}

impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (choice, value)) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{choice}: {value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_value_of_every_choice() {
        for choice in CHOICES {
            for value in choice.values {
                let mut choices = Choices::default();
                assert!(choices.set(choice.name, value.name));
                assert_eq!(choices.get(choice.name), Some(value.name));
            }
            assert!(!Choices::default().set(choice.name, "no such value"));
            assert_eq!(Choice::from_name(choice.name), Some(choice));
        }
        assert!(!Choices::default().set("no such choice", "none"));
        assert_eq!(Choices::default().get("no such choice"), None);
    }

    #[test]
    fn the_default_is_v4() {
        assert_eq!(
            Choices::default().to_string(),
            "put_local_order: file-then-net, net_ref: none, gc_lock_gc: walk-and-queue, \
             gc_lock_shrinker: walk-and-queue, gc_lock_close_inode: walk-and-queue, \
             shutdown_barrier: after-purge, dispose_list: inline, free_unhash: if-hashed, \
             wake_guard: load-once-test, net_dispose_guard: tested, queue_wakes: yes, \
             wake_order: none, purge: conditional, purge_net: own, state_shutdown: before-cache, \
             acquire_retry: puts, opened_file: under-pending, pending_wait: acquire, \
             pending_clear: release, flags_init: before-insert, lookup_rcu: on, \
             insert_error: reads-nothing, close_check: unhash-first, close_sync: frees-all, export_check: opened, opened_test: given, dir_marks: none, recalc_mutex: taken, service_threads: fixed, put_reads: nothing, put_local_rcu: around-net, local_io_net_ref: held, \
             localio_install_rcu: on, lost_install: puts-net, install_get: before-install, \
             add_file_failure: puts, doio_error: puts, drain_wait: after-purge, init_error: clears-up, exit_ref: always, exit_wait: none, uuid_begin: checks-linked, invalidate: walk, \
             lru: at-construction, add_recheck: no, put_recheck: yes, dispose_link: separate, localio_gc: no, \
             localio_invalidate: purge, localio_client: caches-files, unused_disable: no, mark_group: own, mutexes: one"
        );
    }

    #[test]
    fn choices_serialize_by_their_names() {
        let json = serde_json::to_value(Choices::default()).unwrap();
        for (choice, value) in Choices::default().iter() {
            assert_eq!(json[choice], value);
        }
    }
}
