/** Where a device's wish to act for a person stands. `redeemed`: it has its token. RFC 8628 section 3.5. */
export type DeviceStatus = 'pending' | 'approved' | 'denied' | 'redeemed';
