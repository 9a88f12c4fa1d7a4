//! A reservation cannot be copied or built, so nothing is given back twice.

fn twice(exposure: &mut risk::exposure::Exposure, reservation: risk::Reservation) {
    exposure.release(reservation);
    exposure.release(reservation);
}

fn needs_clone<T: Clone>() {}

fn main() {
    needs_clone::<risk::Reservation>();
}
