//! Turns on what the users beside it have of Burn between them, so that Burn is built once for all.
