"""What a client can be asked, noun by noun; `kukeon_sdk.Client` is all of them together."""
