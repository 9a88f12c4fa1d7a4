//! The bot4 program.
