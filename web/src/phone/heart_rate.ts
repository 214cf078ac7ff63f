/** Heart rate from a Bluetooth sensor (chest belt, armband), by the Bluetooth SIG's Heart Rate Service. */

/**
 * Beats a minute from a Heart Rate Measurement (characteristic 0x2A37). Bit 0 of the first byte says whether the rate takes
 * one byte or two, little-endian; bits 1 and 2 whether the sensor touches skin. Null without contact, or if it is cut short.
 */
export function parseHeartRate(value: DataView): number | null {
  if (value.byteLength < 2) {
    return null;
  }
  const flags = value.getUint8(0);
  const knowsContact = (flags & 0b100) !== 0;
  const hasContact = (flags & 0b010) !== 0;
  if (knowsContact && !hasContact) {
    return null;
  }
  if ((flags & 1) === 0) {
    return value.getUint8(1) || null;
  }
  return value.byteLength >= 3 ? value.getUint16(1, true) || null : null;
}

export class HeartRate {
  latest: { beats: number; atMs: number } | null = null;
  /** The sensor's name; null: none was chosen. */
  sensor: string | null = null;
  connected = false;

  constructor(private readonly onChange: () => void) {}

  static get offered(): boolean {
    return "bluetooth" in navigator;
  }

  /** Lets the user choose a sensor; call it from a tap. @throws Error if none was chosen or it does not answer */
  async connect(): Promise<void> {
    const device = await navigator.bluetooth.requestDevice({ filters: [{ services: ["heart_rate"] }] });
    this.sensor = device.name ?? "sensor";
    device.addEventListener("gattserverdisconnected", () => {
      this.connected = false;
      this.onChange();
      void this.listenAgain(device);
    });
    await this.listen(device);
  }

  private async listen(device: BluetoothDevice): Promise<void> {
    const server = await device.gatt?.connect();
    const service = await server?.getPrimaryService("heart_rate");
    const measurement = await service?.getCharacteristic("heart_rate_measurement");
    if (!measurement) {
      throw new Error(`${this.sensor} has no heart rate.`);
    }
    measurement.oncharacteristicvaluechanged = () => {
      const beats = measurement.value ? parseHeartRate(measurement.value) : null;
      this.latest = beats === null ? null : { beats, atMs: Date.now() };
      this.onChange();
    };
    await measurement.startNotifications();
    this.connected = true;
    this.onChange();
  }

  /** A belt that was out of reach comes back by itself. */
  private async listenAgain(device: BluetoothDevice, tries = 20): Promise<void> {
    for (let left = tries; left > 0 && !this.connected; left -= 1) {
      await this.listen(device).catch(() => new Promise((resolve) => setTimeout(resolve, 3000)));
    }
  }
}
