declare module '@novnc/novnc' {
  type RfbEvents = {
    connect: CustomEvent<Record<string, never>>;
    disconnect: CustomEvent<{ clean: boolean }>;
    securityfailure: CustomEvent<{ status: number; reason?: string }>;
    desktopname: CustomEvent<{ name: string }>;
    clipboard: CustomEvent<{ text: string }>;
  };
  /** The part of noVNC that this page uses; see its docs/API.md. */
  // biome-ignore lint/style/noDefaultExport: this is how the library exports it
  export default class RFB {
    constructor(
      target: HTMLElement,
      channel: WebSocket,
      options?: { shared?: boolean; wsProtocols?: string[] },
    );
    scaleViewport: boolean;
    focusOnClick: boolean;
    background: string;
    viewOnly: boolean;
    addEventListener<K extends keyof RfbEvents>(type: K, listener: (event: RfbEvents[K]) => void): void;
    disconnect(): void;
    sendCtrlAltDel(): void;
    sendKey(keysym: number, code: string | null, down?: boolean): void;
    focus(): void;
  }
}
