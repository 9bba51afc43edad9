//! Compile errors of the macros, pinned by the cases beside this file.
